"""From sightings, replies and gaps to the one verdict, whatever order they came in."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.derive.placement import placement
from toolkit.model.mailbox import Role
from toolkit.model.placement import Handoff, HandoffStatus, Unsearched, Verdict
from toolkit.model.sighting import Bounce, Coverage, Sighting

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ALL_SEARCHED = Coverage(("INBOX", "Spam"))
ALL_MAIL = "[Gmail]/Alle Nachrichten"


def handed(status: HandoffStatus = HandoffStatus.ACCEPTED, text: str = "250 ok", **more: Any) -> Handoff:
    """A handoff with that outcome."""
    return Handoff(status, None, None, text, "mx.example[192.0.2.1]", None, NOW, **more)


def seen(folder: str = "INBOX", role: Role = Role.INBOX, **more: Any) -> Sighting:
    """A copy in a mailbox."""
    return Sighting(folder, role, **{"uid": 1, "at": NOW, **more})


def gmail(*labels: str, role: Role = Role.ALL, folder: str = ALL_MAIL, tab: str | None = None, **more: Any) -> Sighting:
    """A copy as Gmail shows it."""
    return seen(folder, role, labels=labels, gmail=True, tab=tab, **more)


PLACES = {
    Role.INBOX: Verdict.INBOX,
    Role.SPAM: Verdict.SPAM,
    Role.FOLDER: Verdict.FOLDER,
    Role.VIEW: Verdict.FOLDER,
    Role.ARCHIVE: Verdict.ARCHIVE,
    Role.TRASH: Verdict.TRASH,
    Role.ALL: Verdict.ARCHIVE,
    Role.DRAFTS: Verdict.FOLDER,
    Role.SENT: Verdict.FOLDER,
}


# -- where it lies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_the_place_names_the_verdict(role: Role) -> None:
    """Each role of a mailbox has its verdict, with the folder's name, its flags and what was searched."""
    judged = placement([seen("Ort", role, flags=("$x",))], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder, judged.flags) == (PLACES[role], "Ort", ("$x",))
    assert (judged.also_in, judged.searched, judged.unsearched, judged.reason) == ((), ("INBOX", "Spam"), (), None)
    assert judged.found_at == NOW


@pytest.mark.parametrize("other", [role for role in Role if role is not Role.INBOX])
def test_the_inbox_wins_over_every_other_place(other: Role) -> None:
    """Whoever opens the mailbox sees it there; the other place stands in also_in, a view of all mail does not."""
    judged = placement([seen("Anderswo", other, at=NOW - timedelta(minutes=1)), seen()], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder) == (Verdict.INBOX, "INBOX")
    assert judged.also_in == (() if other is Role.ALL else ("Anderswo",))
    assert judged.found_at == NOW - timedelta(minutes=1)


def test_several_places_without_the_inbox() -> None:
    """Spam before a folder, a folder before archive and trash; each other place is told once."""
    places = [
        seen("Papierkorb", Role.TRASH), seen("Archiv", Role.ARCHIVE), seen("Kunden", Role.FOLDER),
        seen("Kunden", Role.FOLDER, uid=2), seen("Spam", Role.SPAM), seen("Alles", Role.ALL),
    ]  # fmt: skip
    judged = placement(places, handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder, judged.also_in) == (Verdict.SPAM, "Spam", ("Kunden", "Archiv", "Papierkorb"))
    assert placement(places[:4], handed(), None, ALL_SEARCHED).verdict is Verdict.FOLDER
    assert placement(places[:2], handed(), None, ALL_SEARCHED).verdict is Verdict.ARCHIVE


def test_a_folder_that_the_provider_fills_says_so() -> None:
    """As WEB.DE's Unbekannt; for any other verdict it means nothing."""
    unknown = seen("Unbekannt", Role.FOLDER, sorted_by="provider")
    assert placement([unknown], handed(), None, ALL_SEARCHED).sorted_by == "provider"
    assert placement([seen("Kunden", Role.FOLDER)], handed(), None, ALL_SEARCHED).sorted_by is None
    both = placement([unknown, seen()], handed(), None, ALL_SEARCHED)
    assert (both.verdict, both.sorted_by) == (Verdict.INBOX, None)


@pytest.mark.parametrize(
    ("flags", "expected"), [(("\\Seen",), True), (("\\SEEN", "$x"), True), (("\\Recent",), False), ((), False)]
)
def test_marked_read_with_nobody_reading(flags: tuple[str, ...], expected: bool) -> None:
    """The flag in whatever case, of the copy that the verdict speaks of alone."""
    other = seen("Archiv", Role.ARCHIVE, flags=("\\Seen",))
    assert placement([other, seen(flags=flags)], handed(), None, ALL_SEARCHED).seen is expected


# -- Gmail ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", ["promotions", "social", "updates", "forums"])
def test_gmails_tab(tab: str) -> None:
    """A view of the inbox: its own verdict, in INBOX, with the tab's name."""
    judged = placement([gmail("\\Inbox", "\\Important", tab=tab)], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder, judged.tab, judged.reason) == (Verdict.TAB, "INBOX", tab, None)
    assert judged.also_in == ()


def test_gmails_first_tab_is_the_inbox() -> None:
    """Nobody has to look elsewhere for it."""
    judged = placement([gmail("\\Inbox", tab="primary")], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder, judged.tab, judged.reason) == (Verdict.INBOX, "INBOX", None, None)


def test_a_tab_that_was_not_learned_is_told() -> None:
    """In the inbox for certain, under which tab nobody knows; where there are no tabs it needs no remark."""
    judged = placement([gmail("\\Inbox")], handed(), None, ALL_SEARCHED)
    assert judged.verdict is Verdict.INBOX
    assert "which tab" in (judged.reason or "")
    assert placement([seen()], handed(), None, ALL_SEARCHED).reason is None


@pytest.mark.parametrize(
    ("sighting", "verdict", "folder", "also_in"),
    [
        (gmail(), Verdict.ARCHIVE, ALL_MAIL, ()),
        (gmail("\\Important", "\\Starred"), Verdict.ARCHIVE, ALL_MAIL, ()),
        (gmail("Termine/Frisör"), Verdict.FOLDER, "Termine/Frisör", ()),
        (gmail("A", "B", "\\Important"), Verdict.FOLDER, "A", ("B",)),
        (gmail("\\Inbox", "Kunden", tab="primary"), Verdict.INBOX, "INBOX", ("Kunden",)),
        (gmail("\\INBOX", tab="social"), Verdict.TAB, "INBOX", ()),
        (gmail(folder="[Gmail]/Spam", role=Role.SPAM), Verdict.SPAM, "[Gmail]/Spam", ()),
        (gmail(folder="[Gmail]/Papierkorb", role=Role.TRASH), Verdict.TRASH, "[Gmail]/Papierkorb", ()),
        (gmail("Kunden", folder="[Gmail]/Spam", role=Role.SPAM), Verdict.SPAM, "[Gmail]/Spam", ("Kunden",)),
        (gmail(folder="INBOX", role=Role.INBOX, tab="updates"), Verdict.TAB, "INBOX", ()),
    ],
)
def test_gmails_labels_are_its_folders(
    sighting: Sighting, verdict: Verdict, folder: str, also_in: tuple[str, ...]
) -> None:
    """In All Mail the labels say where it lies: INBOX, a label of the owner's, or archived; never in "All Mail"."""
    judged = placement([sighting], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder, judged.also_in) == (verdict, folder, also_in)
    assert judged.labels == sighting.labels


def test_labels_of_another_server_mean_nothing() -> None:
    """Only where Gmail's extension was seen can they be trusted."""
    judged = placement([replace(gmail("\\Inbox", "Kunden"), gmail=False)], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder) == (Verdict.ARCHIVE, ALL_MAIL)


# -- it moved, it went ------------------------------------------------------------------------------------------------


def test_gone_again_is_still_where_it_was() -> None:
    """A POP client emptied the inbox: it was delivered there, and the reason says what takes it away."""
    judged = placement([seen(gone_at=NOW + timedelta(seconds=12))], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder) == (Verdict.INBOX, "INBOX")
    assert judged.reason == "gone again within 12 s: another program takes mail out of this mailbox"


def test_moved_is_where_it_lies_now() -> None:
    """First the inbox, then a filter's folder: the folder, found when it was first seen, and where from."""
    first = seen(gone_at=NOW + timedelta(seconds=2))
    then = seen("Spam", Role.SPAM, at=NOW + timedelta(seconds=2))
    judged = placement([first, then], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.folder, judged.also_in) == (Verdict.SPAM, "Spam", ())
    assert (judged.reason, judged.found_at) == ("first seen in INBOX, then moved", NOW)


def test_moved_within_gmail_is_told_in_the_readers_words() -> None:
    """All Mail is where we look, not where it lay: it was in the inbox, and then in the trash."""
    first = gmail("\\Inbox", tab="updates", gone_at=NOW + timedelta(seconds=2))
    then = gmail(folder="[Gmail]/Papierkorb", role=Role.TRASH, at=NOW + timedelta(seconds=2))
    judged = placement([first, then], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.reason) == (Verdict.TRASH, "first seen in INBOX, then moved")


def test_a_copy_that_went_elsewhere_is_no_place() -> None:
    """A folder that lost it while the inbox keeps it is neither the verdict nor in also_in."""
    gone = seen("Eingang neu", Role.FOLDER, at=NOW + timedelta(seconds=1), gone_at=NOW + timedelta(seconds=2))
    judged = placement([gone, seen()], handed(), None, ALL_SEARCHED)
    assert (judged.verdict, judged.also_in, judged.reason) == (Verdict.INBOX, (), None)


# -- it was not seen --------------------------------------------------------------------------------------------------

BOUNCE = Bounce(NOW, "bounces: INBOX", "5.1.1", "550 5.1.1 unknown", "mx.example")
GAP = Coverage(("INBOX",), (Unsearched("Spam", "it cannot be opened: NO"),))
DEAD = Coverage((), (Unsearched("", "tot.example:993 did not answer in time"),))


@pytest.mark.parametrize(
    ("handoff", "bounce", "coverage", "verdict", "reason"),
    [
        (None, None, Coverage(), Verdict.UNSENT, "never handed over"),
        (handed(HandoffStatus.FAILED, "refuses connections"), None, Coverage(), Verdict.UNSENT, "refuses connections"),
        (handed(HandoffStatus.DEFERRED, "452 full"), None, Coverage(), Verdict.UNSENT, "452 full"),
        (handed(HandoffStatus.DEFERRED, "452 full"), None, ALL_SEARCHED, Verdict.UNSENT, "452 full"),
        (handed(HandoffStatus.REFUSED, "550 no"), None, Coverage(), Verdict.REFUSED, "550 no"),
        (handed(HandoffStatus.REFUSED, "550 no"), BOUNCE, ALL_SEARCHED, Verdict.REFUSED, "550 no"),
        (handed(), BOUNCE, ALL_SEARCHED, Verdict.BOUNCED, "5.1.1 550 5.1.1 unknown"),
        (handed(), BOUNCE, DEAD, Verdict.BOUNCED, "5.1.1 550 5.1.1 unknown"),
        (handed(), replace(BOUNCE, status=None, diagnostic=""), GAP, Verdict.BOUNCED, "a DSN came back"),
        (handed(), None, ALL_SEARCHED, Verdict.MISSING, None),
        (handed(), None, GAP, Verdict.UNREADABLE, "Spam: it cannot be opened: NO"),
        (handed(), None, DEAD, Verdict.UNREADABLE, "tot.example:993 did not answer in time"),
        (handed(), None, Coverage(), Verdict.UNREADABLE, "the mailbox was not searched"),
    ],
)
def test_what_was_not_seen(
    handoff: Handoff | None, bounce: Bounce | None, coverage: Coverage, verdict: Verdict, reason: str | None
) -> None:
    """Missing only where everything was searched; never handed over is unsent; each says why."""
    judged = placement([], handoff, bounce, coverage)
    assert (judged.verdict, judged.reason) == (verdict, reason)
    assert (judged.folder, judged.found_at) == (None, None)
    if verdict is Verdict.UNREADABLE:
        assert (judged.searched, judged.unsearched) == (coverage.searched, coverage.unsearched)


@pytest.mark.parametrize("coverage", [ALL_SEARCHED, GAP, DEAD, Coverage()])
def test_a_handoff_in_doubt_is_neither_missing_nor_unsent(coverage: Coverage) -> None:
    """The server may have taken it or not: nobody knows, and every gap in the search is told, too."""
    doubt = handed(HandoffStatus.FAILED, "closed the connection", in_doubt=True)
    judged = placement([], doubt, None, coverage)
    assert judged.verdict is Verdict.UNREADABLE
    assert "whether it was ever taken is not known (closed the connection)" in (judged.reason or "")
    for gap in coverage.unsearched:
        assert gap.reason in (judged.reason or "")


@pytest.mark.parametrize(
    "handoff",
    [
        None,
        handed(HandoffStatus.REFUSED, "550 no"),
        handed(HandoffStatus.DEFERRED, "452"),
        handed(HandoffStatus.FAILED, "x", in_doubt=True),
    ],
)
@pytest.mark.parametrize("bounce", [None, BOUNCE])
@pytest.mark.parametrize("coverage", [ALL_SEARCHED, GAP, DEAD])
def test_what_was_seen_outweighs_all_else(handoff: Handoff | None, bounce: Bounce | None, coverage: Coverage) -> None:
    """It lies there, whatever the server said or a DSN claims; what was not searched is still told."""
    judged = placement([seen()], handoff, bounce, coverage)
    assert judged.verdict is Verdict.INBOX
    assert judged.unsearched == coverage.unsearched


# -- properties -------------------------------------------------------------------------------------------------------

_SIGHTINGS = st.builds(
    seen,
    st.sampled_from(["INBOX", "Spam", "Kunden", ALL_MAIL]),
    st.sampled_from(list(Role)),
    uid=st.integers(1, 3),
    at=st.integers(0, 3).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    gone_at=st.sampled_from([None, None, NOW + timedelta(seconds=9)]),
    flags=st.sampled_from([(), ("\\Seen",)]),
    labels=st.sampled_from([(), ("\\Inbox",), ("Kunden",), ("\\Inbox", "Kunden")]),
    gmail=st.booleans(),
    tab=st.sampled_from([None, "primary", "promotions"]),
    sorted_by=st.sampled_from([None, "provider"]),
)


def _copies(sightings: list[Sighting]) -> list[Sighting]:
    """One sighting for each folder and number, as a reader has them; a folder has one role."""
    roles: dict[str, Role] = {}
    for one in sightings:
        roles.setdefault(one.folder, one.role)
    return list({(one.folder, one.uid): replace(one, role=roles[one.folder]) for one in sightings}.values())


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(_SIGHTINGS, min_size=1, max_size=6).map(_copies), st.randoms(use_true_random=False))
def test_the_order_of_sightings_never_matters(sightings: list[Sighting], rng: random.Random) -> None:
    """Mailboxes are read side by side: who was quicker must not change the verdict, nor anything beside it."""
    shuffled = list(sightings)
    rng.shuffle(shuffled)
    assert placement(shuffled, handed(), None, ALL_SEARCHED) == placement(sightings, handed(), None, ALL_SEARCHED)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(_SIGHTINGS, min_size=1, max_size=6).map(_copies))
def test_what_holds_of_every_placement(sightings: list[Sighting]) -> None:
    """The folder is never in also_in, nothing is there twice, and an inbox among the copies that are left wins."""
    judged = placement(sightings, handed(), None, ALL_SEARCHED)
    assert judged.folder not in judged.also_in
    assert len(set(judged.also_in)) == len(judged.also_in)
    assert judged.found_at == min(one.at for one in sightings)
    assert (judged.tab is not None) == (judged.verdict is Verdict.TAB)
    left = [one for one in sightings if one.gone_at is None] or sightings
    in_inbox = any(one.role is Role.INBOX or (one.gmail and one.role is Role.ALL and "\\Inbox" in one.labels) for one in left)  # fmt: skip  # noqa: E501 - one condition
    assert (judged.verdict in (Verdict.INBOX, Verdict.TAB)) == in_inbox
