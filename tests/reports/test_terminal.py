"""The terminal shows the same run: aligned, never too wide, and in colour only where colour is wanted."""

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console

from reports.terminal import print_placements
from reports.words import LANGS, Lang, catalogue
from tests.reports import samples
from toolkit.model.placement import HandoffStatus, ProbeReport, Verdict

ESCAPE = "\x1b"


def shown(report: ProbeReport, width: int = 80, lang: Lang = "en", **console: object) -> str:
    """What a console of this width prints."""
    file = io.StringIO()
    settings = {"file": file, "width": width, "_environ": {}} | console
    print_placements(report, Console(**settings), lang=lang, rules_inboxes=samples.RULES_INBOXES)  # type: ignore[arg-type]  # rich's many options
    return file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
@pytest.mark.parametrize("lang", ["de", "en"])
@pytest.mark.parametrize("name", ["small", "every_verdict", "several_routes", "hostile", "wide"])
def test_no_line_is_wider_than_the_terminal(name: str, lang: Lang, width: int) -> None:
    """Umlauts, Chinese and a megabyte of text included; nothing wraps into the next row of a table."""
    report = samples.wide(20, 3) if name == "wide" else getattr(samples, name)()
    for line in shown(report, width, lang).splitlines():
        assert cell_len(line) <= width


def rows(report: ProbeReport, width: int = 80, lang: Lang = "en") -> list[str]:
    """The lines of it, without blanks at their ends."""
    return [line.rstrip() for line in shown(report, width, lang).replace("\u00a0", " ").splitlines()]


def test_a_small_run_says_everything_in_its_matrix() -> None:
    """Folder, tab and seconds beside each verdict; below it only what the matrix cannot say; the answer last."""
    assert rows(samples.small()) == [
        "Inbox       reminder       newsletter",
        "────────────────────────────────────────────────────────────────",
        "gmail-1     ✓ Inbox 4.2 s  ▤ Tab Promotions, 7 s",
        "gmx-1       ✓ Inbox 4.2 s  ! Spam Spamverdacht, 6 min 52 s, late",
        "t-online-1  ✕ Refused      ? Unreadable",
        "",
        "What to look at",
        "✕ Refused  reminder to t-online-1",
        "  550 5.7.1 Mail from 192.0.2.10 refused, see 5.7.1 https://postmaster.example/…",
        "? t-online-1: login refused",
        "",
        "2 of 5 messages are in the inbox.",
        "12\u201377 % is the range in which the true share lies, with 95 % certainty.",
        "3 messages need a look: 1 refused, 1 in spam and 1 under a tab.",
        "Could not be judged: 1 unreadable.",
    ]


def test_a_run_on_several_routes_fits_eighty_columns() -> None:
    """A column for each mail on each route, in short words; then what they do not say, two lines a story at most."""
    assert rows(samples.several_routes()) == [
        "           reminder      reminder      newsletter    newsletter    invoice",
        "Inbox      via direct    via relay     via direct    via listed    via direct",
        "───────────────────────────────────────────────────────────────────────────────",
        "gmail-1    ▤ Updates     ▤ Updates     ▤ Promotions  ! Spam        ! Spam",
        "gmx-1      ✓ Inbox       ✓ Inbox       ✓ Inbox       ✕ Refused     ✓ Inbox",
        "unknown-1  ✕ Refused     ← Came back   ✕ Refused     ✕ Refused     ✕ Refused",
        "webde-1    → Folder      → Folder      → Folder      ✕ Refused     → Folder",
        "zoho-1     ✓ Inbox       ✓ Inbox       ✓ Inbox       ! Spam        ! Spam",
        "closed-1   ? Unreadable  ? Unreadable  ? Unreadable  ? Unreadable  ? Unreadable",
        "discard-1  ○ Missing     ○ Missing     ○ Missing     ○ Missing     ○ Missing",
        "full-1     ✕ Refused     ← Came back   ✕ Refused     ✕ Refused     ✕ Refused",
        "",
        "What to look at",
        "✕ Refused  unknown-1: reminder, newsletter, invoice via direct; newsletter via …",
        "  550-Requested action not taken: mailbox unavailable For explanation visit htt…",
        "✕ Refused  full-1: reminder, newsletter, invoice via direct; newsletter via lis…",
        "  552 5.2.2 <voll@hoster.example>: Quota exceeded (mailbox for user is full)",
        "✕ Refused  newsletter via listed: gmx-1, webde-1",
        "  554-gmx.net (mxgmx016) Nemesis ESMTP Service not available No SMTP service IP…",
        "← Came back  reminder to unknown-1 via relay",
        "  550-Requested action not taken: mailbox unavailable 550 For explanation visit…",
        "← Came back  reminder to full-1 via relay",
        "  552 5.2.2 <voll@hoster.example>: Quota exceeded (mailbox for user is full)",
        "→ Unbekannt  webde-1: reminder, newsletter, invoice via direct; reminder via re…",
        "? closed-1: 127.0.0.1:33539 refuses connections: nothing listens there",
        "",
        "7 of 35 messages are in the inbox.",
        "10\u201336 % is the range in which the true share lies, with 95 % certainty.",
        "28 messages need a look, first: 10 refused, 5 missing and 4 in spam.",
        "Could not be judged: 5 unreadable.",
    ]


def test_german_words_fit_too() -> None:
    """Tabs with long names are called tabs in the matrix, and by their name below it."""
    printed = rows(samples.several_routes(), lang="de")
    assert "gmail-1    ▤ Reiter     ▤ Reiter    ▤ Werbung    ! Spam       ! Spam" in printed
    assert "▤ Benachrichtigungen  gmail-1: reminder über direct; reminder über relay" in printed
    assert "? closed-1: 127.0.0.1:33539 nimmt keine Verbindungen an: Dort läuft kein Dienst" in printed


def test_a_narrow_terminal_gets_a_block_for_each_route() -> None:
    """Columns that do not fit side by side stand below one another, each with all inboxes."""
    printed = rows(samples.several_routes(), 44)
    heads = [row.split() for row in printed if row.startswith("Inbox")]
    assert heads == [
        ["Inbox", "via", "direct", "via", "direct"],
        ["Inbox", "via", "direct"],
        ["Inbox", "via", "relay"],
        ["Inbox", "via", "listed"],
    ]
    assert sum(row.startswith("unknown-1") for row in printed) == len(heads)


def test_a_hundred_inboxes_do_not_scroll_away() -> None:
    """Quiet ones are counted, and a story that two hundred share is told once."""
    printed = rows(samples.wide(200, 3))
    assert "171 more inboxes: everything in the inbox, unread and in time" in printed
    assert len(printed) < 60


def test_many_stories_are_cut() -> None:
    """Three of a kind, then how many messages more, and that the page has them, where there is one."""
    stories = [
        samples.seed(
            f"inbox-{number}",
            placement=samples.placed(Verdict.REFUSED),
            handed=samples.handoff(f"550 {'no ' * (number + 1)}", HandoffStatus.REFUSED),
        )
        for number in range(7)
    ]
    assert "  … and 4 more (Refused), see the page" in rows(samples.run(stories))
    file = io.StringIO()
    print_placements(samples.run(stories), Console(file=file, width=80), page=False)
    assert "  … and 4 more (Refused)\n" in file.getvalue()


def test_lateness_and_read_marks_survive_the_short_words() -> None:
    """In the inbox, but late, is not shown as in the inbox."""
    seeds = [
        samples.seed(name, stream, samples.placed(seconds=900.0) if stream == "b" else samples.placed(seen=True))
        for name in "stuvwxyz"
        for stream in ("a", "b", "c", "d", "e", "f")
    ]
    printed = rows(samples.run(seeds))
    assert any("✓ Late" in row and "✓ Read" in row for row in printed)
    assert any(row.startswith("✓ Late  b: s (15 min), t (15 min), ") for row in printed)


def test_every_verdict_has_sign_and_word() -> None:
    """Nothing rests on colour."""
    text = shown(samples.every_verdict(), 160)
    for said in ("✓ Inbox", "▤ Tab", "! Spam", "→ Folder", "↓ Archive", "▼ Trash", "✕ Refused", "← Came back"):
        assert said in text
    for said in ("○ Missing", "? Unreadable", "\u2013 Not sent"):
        assert said in text


@pytest.mark.parametrize("lang", LANGS)
def test_short_words_are_short(lang: Lang) -> None:
    """Ten cells at most, for each verdict in each language."""
    words = {key: text for key, text in catalogue(lang).items() if key.startswith("short.")}
    assert {key.removeprefix("short.") for key in words} == {verdict.value for verdict in Verdict} | {"late", "seen"}
    assert all(isinstance(text, str) and cell_len(text) <= 10 for text in words.values())


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


def test_a_run_without_messages_says_so() -> None:
    """No empty table."""
    assert shown(samples.run([])) == "No messages were sent in this run.\n"


def test_why_nobody_could_look_stands_where_the_reply_would() -> None:
    """For a mailbox that could not be read, the reason says more than the 250 of the handover."""
    unread = samples.seed(placement=samples.placed(Verdict.UNREADABLE, reason="login"))
    assert "login refused" in shown(samples.run([unread]))
