"""While a probe works, a person sees how far it is, in one line that never wraps."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len
from rich.console import Console

from jobs.progress import SeedProgress
from tests.reports import samples
from toolkit.collect.tracker import Step
from toolkit.model.placement import SeedReport, Verdict
from toolkit.store.seeds import StoredSeed

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
TIMEOUT = timedelta(minutes=10)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """The time that was set."""
        return self.now


def stored(number: int, inbox: str = "gmx-1") -> StoredSeed:
    """A seed as it is planned."""
    return StoredSeed(
        seed_id=f"seed-{number}",
        stream="reminder",
        route="main",
        inbox=inbox,
        provider="gmx",
        address="probe@gmx.example",
        message_id=f"{number}@belmont.example",
        token=f"{number:016x}",
        subject="Ihr Termin",
        envelope_sender="bounces@belmont.example",
        deliver_within=300.0,
        created_at=NOW,
        deadline=NOW + TIMEOUT,
        owner="run",
        origin="run",
        state="planned",
    )


class Run:
    """A run of so many seeds, to five inboxes, with its progress."""

    def __init__(self, size: int) -> None:
        self.clock = Clock()
        self.progress = SeedProgress(Console(file=io.StringIO()), clock=self.clock)
        self.rows = [stored(number, f"inbox-{number % 5}") for number in range(size)]
        self.step("planned", size)

    def step(self, step: Step, first: int, report: SeedReport | None = None) -> None:
        """The first so many seeds get there."""
        for row in self.rows[:first]:
            self.progress.notify(step, row, report)

    @property
    def says(self) -> str:
        """The fullest sentence."""
        return self.progress.sentences()[0]


def test_it_says_what_is_going_on() -> None:
    """First the inboxes are looked at, then mail goes out, then it is waited for."""
    run = Run(120)
    assert run.says == "looking at the inboxes first: 5 to see"
    run.step("handed", 80)
    run.step("seen", 64)
    assert run.says == "sent 80 of 120, found 64, still sending"
    run.step("handed", 120)
    run.step("seen", 112)
    assert run.says == "sent 120, found 112, waiting for 8 more, at most 10 min"


def test_it_says_how_long_it_waits_at_most() -> None:
    """The wait ends one time-out after the handover, and what is left of it shrinks; minutes are rounded up."""
    run = Run(3)
    run.clock.now = NOW + timedelta(minutes=1)
    run.step("handed", 3)
    run.step("seen", 1)
    run.clock.now = NOW + timedelta(minutes=4, seconds=10)
    assert run.says.endswith("waiting for 2 more, at most 7 min")
    run.clock.now = NOW + timedelta(minutes=10, seconds=20)
    assert run.says.endswith("waiting for 2 more, at most 40 s")
    run.clock.now = NOW + timedelta(minutes=11, seconds=1)
    assert run.says.endswith("a last look for 2 more")


def test_what_was_refused_is_not_waited_for() -> None:
    """A seed that has its verdict is done, found or not."""
    run = Run(2)
    run.step("handed", 2)
    run.step("concluded", 1, samples.seed(placement=samples.placed(Verdict.REFUSED)))
    assert "found 0, waiting for 1 more" in run.says
    run.step("concluded", 2, samples.seed())
    assert run.says == "sent 2, found 2"


def test_what_was_found_is_looked_at_once_more() -> None:
    """Between the first sight and the verdict the line says why it still takes a moment."""
    run = Run(2)
    run.step("handed", 2)
    run.step("seen", 2)
    assert run.says == "sent 2, found 2, looking at 2 once more"


@pytest.mark.parametrize("width", [20, 30, 40, 60, 80, 200])
@pytest.mark.parametrize("steps", ["", "h", "hs", "H", "Hs", "HS", "HSc"])
def test_it_never_wraps(steps: str, width: int) -> None:
    """One line at every width and in every state, however many seeds there are."""
    run = Run(4_000)
    for sign in steps:
        reached: dict[str, Step] = {"h": "handed", "s": "seen", "c": "concluded"}
        run.step(reached[sign.lower()], 4_000 if sign.isupper() else 1_234)
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=None).print(run.progress)
    (line,) = file.getvalue().splitlines()
    assert cell_len(line) <= width
    assert re.search(r"0:0\d$", line.rstrip())


def test_a_log_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal nothing moves: whole lines, on standard error, also while nothing happens."""
    monkeypatch.setattr("jobs.progress._FIRST_LINE", 0.01)
    run = Run(3)
    run.step("handed", 3)
    with run.progress:
        run.progress._ended.wait(0.2)
    out, error = capsys.readouterr()
    assert not out
    assert error.startswith("mailwhy: sent 3, found 0, waiting for 3 more, at most 10 min\n")
    assert 2 <= error.count("\n") <= 5  # each pause is twice as long as the one before


def test_a_quick_run_says_nothing_in_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever gets standard error by mail from cron hears nothing of a run of a few seconds."""
    with Run(3).progress:
        pass
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_left_clean() -> None:
    """The line is gone when the run has ended, whatever ended it."""
    file = io.StringIO()
    progress = SeedProgress(Console(file=file, width=80, force_terminal=True, _environ={"TERM": "xterm"}))
    with pytest.raises(ValueError, match="broken"), progress:
        raise ValueError("broken")
    assert file.getvalue().endswith("\x1b[2K")
