"""What a person sees while a probe works: one moving line on a terminal, a line now and then in a log."""

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from toolkit.collect.tracker import Step
from toolkit.model.placement import DELIVERED, SeedReport
from toolkit.store.seeds import StoredSeed

_BAR = 16  # cells
_FIRST_LINE = 15.0  # seconds until the first line in a log; each further one waits twice as long
_LONGEST_QUIET = 300.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class _Seed:
    inbox: str
    step: Step
    until: datetime  # when it is waited for no longer
    found: bool = False


def _span(seconds: float) -> str:
    """A time to wait in words: 45 s, 3 min, 2 h. Minutes are rounded up: "at most" shall hold."""
    if seconds < 90:
        return f"{-int(-seconds // 1)} s"
    if seconds < 5_400:
        return f"{-int(-seconds // 60)} min"
    return f"{-int(-seconds // 3_600)} h"


class SeedProgress:
    """Follows the steps of seeds; `notify` may be called from any thread."""

    def __init__(self, console: Console | None = None, *, clock: Callable[[], datetime] = _utc_now) -> None:
        self._console = console or Console(stderr=True)
        self._clock = clock
        self._lock = threading.Lock()
        self._seeds: dict[str, _Seed] = {}
        self._started = time.monotonic()
        self._spinner = Spinner("dots")
        self._live: Live | None = None
        self._ended = threading.Event()
        self._writer: threading.Thread | None = None

    def notify(self, step: Step, row: StoredSeed, report: SeedReport | None) -> None:
        """One seed got one step further."""
        with self._lock:
            seed = self._seeds.setdefault(row.seed_id, _Seed(row.inbox, step, row.deadline))
            seed.step = step
            if step == "handed":
                # Its time begins anew with the handover. A server that put it off ends the wait sooner, never later.
                seed.until = max(seed.until, self._clock() + (row.deadline - row.created_at))
            seed.found = seed.found or step == "seen" or (report is not None and report.placement.verdict in DELIVERED)

    # -- what there is to say -----------------------------------------------------------------------------------------

    def sentences(self) -> tuple[str, ...]:
        """What is going on, the most telling form first and the shortest last."""
        with self._lock:
            seeds = list(self._seeds.values())
        total, sent = len(seeds), sum(seed.step != "planned" for seed in seeds)
        found = sum(seed.found for seed in seeds)
        if not total:
            return ("getting ready",)
        if not sent:
            inboxes = len({seed.inbox for seed in seeds})
            return (f"looking at the inboxes first: {inboxes} to see", "looking at the inboxes")
        if sent < total:
            told = f"sent {sent} of {total}, found {found}"
            return (f"{told}, still sending", told, f"{sent}/{total} sent")
        return self._waiting(seeds, f"sent {total}, found {found}")

    def _waiting(self, seeds: list[_Seed], told: str) -> tuple[str, ...]:
        """All are out: how many are still waited for, and how long that can last."""
        missing = [seed for seed in seeds if seed.step == "handed"]
        if not missing:
            settling = sum(seed.step == "seen" for seed in seeds)
            again = f", looking at {settling} once more" if settling else ""
            return (told + again, told)
        seconds = max((seed.until - self._clock()).total_seconds() for seed in missing)
        if seconds <= 0:
            return (f"{told}, a last look for {len(missing)} more", f"a last look for {len(missing)}", "a last look")
        left = _span(seconds)
        waits = f"{told}, waiting for {len(missing)} more"
        return (f"{waits}, at most {left}", f"{waits}, {left}", f"waiting for {len(missing)}, {left}", left)

    def _counts(self) -> tuple[int, int]:
        with self._lock:
            return sum(seed.step == "concluded" for seed in self._seeds.values()), len(self._seeds)

    # -- on a terminal ------------------------------------------------------------------------------------------------

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """One line that fits: the sentence, a bar where there is room, the time so far."""
        elapsed = int(time.monotonic() - self._started)
        clock = f"{elapsed // 60}:{elapsed % 60:02d}"
        room = options.max_width - 2 - len(clock) - 2
        sentences = self.sentences()
        text = next((one for one in sentences if len(one) <= room), sentences[-1])
        done, total = self._counts()
        line = Table.grid(padding=(0, 1), pad_edge=False)
        line.add_column(width=1)
        line.add_column(no_wrap=True, overflow="ellipsis", max_width=max(1, room))
        cells: list[Spinner | Text | ProgressBar] = [self._spinner, Text(text)]
        if total and len(text) + 1 + _BAR <= room:
            line.add_column(width=_BAR)
            cells.append(ProgressBar(total=total, completed=done, width=_BAR))
        line.add_column(no_wrap=True, width=len(clock))
        line.add_row(*cells, Text(clock, style="dim"))
        yield line

    # -- in a log -----------------------------------------------------------------------------------------------------

    def _write(self) -> None:
        pause = _FIRST_LINE
        while not self._ended.wait(pause):
            print(f"mailwhy: {self.sentences()[0]}", file=sys.stderr, flush=True)
            pause = min(pause * 2, _LONGEST_QUIET)

    def __enter__(self) -> Self:
        self._started = time.monotonic()
        if self._console.is_interactive:
            # What is printed meanwhile goes where it would have gone: a document on standard output stays there.
            self._live = Live(self, console=self._console, refresh_per_second=8, transient=True, redirect_stdout=False)
            self._live.start()
        else:
            self._writer = threading.Thread(target=self._write, name="progress", daemon=True)
            self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()
        if self._writer is not None:
            self._writer.join(1.0)
