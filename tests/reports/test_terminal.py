"""The terminal shows the same run: aligned, never too wide, and in colour only where colour is wanted."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.terminal import print_placements
from reports.words import Lang
from tests.reports import samples
from toolkit.model.placement import ProbeReport, Verdict

ESCAPE = "\x1b"


def shown(report: ProbeReport, width: int = 80, lang: Lang = "en", **console: object) -> str:
    """What a console of this width prints."""
    file = io.StringIO()
    settings = {"file": file, "width": width, "_environ": {}} | console
    print_placements(report, Console(**settings), lang=lang, rules_inboxes=samples.RULES_INBOXES)  # type: ignore[arg-type]  # rich's many options
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("lang", ["de", "en"])
@pytest.mark.parametrize("name", ["small", "every_verdict", "hostile", "wide"])
def test_no_line_is_wider_than_the_terminal(name: str, lang: Lang, width: int) -> None:
    """Umlauts, Chinese and a megabyte of text included; nothing wraps into the next row of a table."""
    report = samples.wide(20, 3) if name == "wide" else getattr(samples, name)()
    for line in shown(report, width, lang).splitlines():
        assert cell_len(line) <= width


def test_eighty_columns() -> None:
    """A matrix where it fits, then what to look at with the server's reply, then the answer."""
    rows = [line.rstrip() for line in shown(samples.small()).replace("\u00a0", " ").splitlines()]
    assert rows[:5] == [
        "Inbox       reminder       newsletter",
        "────────────────────────────────────────────────────────────────",
        "gmail-1     ✓ Inbox 4.2 s  ▤ Tab Promotions, 7 s",
        "gmx-1       ✓ Inbox 4.2 s  ! Spam Spamverdacht, 6 min 52 s, late",
        "t-online-1  ✕ Refused      ? Unreadable",
    ]
    assert rows[6] == "What to look at"
    assert rows[9].startswith("gmail-1     newsletter  ▤ Tab Promotions")
    assert rows[12].endswith("login refused")
    assert rows[-4:] == [
        "2 of 5 messages are in the inbox.",
        "12\u201377 % is the range in which the true share lies, with 95 % certainty.",
        "3 messages need a look: 1 refused, 1 in spam and 1 under a tab.",
        "Could not be judged: 1 unreadable.",
    ]


def test_a_hundred_and_twenty_columns_in_german() -> None:
    """Where the matrix does not fit, a line per message, with folder, time and reply in columns."""
    text = shown(samples.every_verdict(), 100, "de").replace("\u00a0", " ")
    rows = text.splitlines()
    assert rows[0].split() == ["Postfach", "Mailart", "Wo", "sie", "liegt", "Dauer", "Antwort"]
    late = next(row for row in rows if row.startswith("outlook-1") and "reminder" in row)
    assert "✓ Posteingang zu spät" in late
    assert "12 min 22 s" in late
    replies = {row.index("250 2.0.0") for row in rows if "250 2.0.0" in row}
    assert len(replies) == 1
    wide = shown(samples.every_verdict(), 200, "de").splitlines()
    assert wide[0].split() == ["Postfach", "reminder", "invoice", "newsletter"]


def test_every_verdict_has_sign_and_word() -> None:
    """Nothing rests on colour."""
    text = shown(samples.every_verdict(), 160)
    for said in ("✓ Inbox", "▤ Tab", "! Spam", "→ Folder", "↓ Archive", "▼ Trash", "✕ Refused", "← Came back"):
        assert said in text
    for said in ("○ Missing", "? Unreadable", "\u2013 Not sent"):
        assert said in text


def test_colour_only_on_a_terminal() -> None:
    """A file or a pipe gets no escape sequences; a terminal does, and NO_COLOR keeps colours away."""
    assert ESCAPE not in shown(samples.small())
    terminal = {"force_terminal": True, "color_system": "standard"}
    assert f"{ESCAPE}[32m" in shown(samples.small(), **terminal)  # green
    plain = shown(samples.small(), force_terminal=True, color_system="standard", _environ={"NO_COLOR": "1"})
    assert not re.search(rf"{ESCAPE}\[3\dm", plain)


def test_hostile_text_stays_text() -> None:
    """No escape sequence reaches the terminal, and rich's markup in a subject is not obeyed."""
    text = shown(samples.hostile(), 200)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e\u200b]", text)
    assert "[bold red]markup[/]" in text


def test_a_terminal_without_unicode_gets_its_table_too() -> None:
    """Under an old encoding, signs become question marks; words stay, nothing fails."""
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")
    print_placements(samples.small(), Console(file=file, width=80))
    file.flush()
    assert b"? Inbox 4.2" in raw.getvalue()


def test_two_ways_out_are_told_apart() -> None:
    """With several routes each line names its own."""
    seeds = [samples.seed("a", stream, route=route) for stream in ("x", "y") for route in ("main", "spare")]
    rows = shown(samples.run(seeds)).splitlines()
    assert rows[0].split()[:3] == ["Inbox", "Stream", "Way"]
    assert sum("spare" in row for row in rows) == 2


def test_a_run_without_messages_says_so() -> None:
    """No empty table."""
    assert shown(samples.run([])) == "No messages were sent in this run.\n"


def test_why_nobody_could_look_stands_where_the_reply_would() -> None:
    """For a mailbox that could not be read, the reason says more than the 250 of the handover."""
    unread = samples.seed(placement=samples.placed(Verdict.UNREADABLE, reason="login"))
    assert "login refused" in shown(samples.run([unread]))
