"""Seeds in the lab's Gmail, Outlook and Yahoo mailboxes: found by those providers' manners, and nothing touched."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from imapclient.exceptions import IMAPClientError

from tests.lab.clients import imap
from toolkit.collect.imap_questions import _any_of
from toolkit.collect.probe import ProbeRun, Selection
from toolkit.config.settings import Settings
from toolkit.lab.host import MailboxSpec, Reception
from toolkit.lab.manners import manners
from toolkit.lab.placing import Rule
from toolkit.lab.world import World
from toolkit.model.placement import Placement, SeedReport, Verdict
from toolkit.store.seeds import SeedStore

ALL_MAIL, SPAM, TRASH = "[Gmail]/Alle Nachrichten", "[Gmail]/Spam", "[Gmail]/Papierkorb"
BELMONT = Rule(sender="belmont.example")
OLD = b"From: freund@hoster.example\r\nSubject: Hallo\r\nMessage-ID: <old@hoster.example>\r\n\r\nLange her.\r\n"
READING = {
    "AUTHENTICATE", "CAPABILITY", "EXAMINE", "ID", "IDLE", "LIST", "LOGIN", "LOGOUT", "NOOP", "STARTTLS", "STATUS",
    "UID", "UID FETCH", "UID SEARCH",
}  # fmt: skip
FORUM_MAIL = "List-Post: <mailto:forum@belmont.example>\nContent-Type: text/plain\n\nNeues im Forum\n"

STREAMS: list[dict[str, Any]] = [
    {"name": "reminder", "subject": "Ihr Termin bei Salon Belmont"},
    {"name": "note", "subject": "Gruß aus dem Salon"},
    {
        "name": "newsletter",
        "subject": "Neue Farben",
        "kind": "marketing",
        "unsubscribe": {"mailto": "l@belmont.example"},
    },
    {"name": "social", "subject": "Anna folgt dir jetzt"},
    {"name": "forum", "subject": "Neues", "template": "forum.eml"},
    {"name": "invoice", "subject": "Ihre Rechnung", "from": "Altstadt Optik <rechnung@altstadt-optik.example>"},
]


def _box(name: str, manner: str = "gmail", **more: Any) -> MailboxSpec:
    more = {"security": "none", "reception": Reception(**more.pop("reception", {})), **more}
    return MailboxSpec(name, manner, f"{name}@{manner}.example", **more)


BOXES = [
    _box("tabs"),
    _box("asked-singly"),
    _box("labels", rules=(dataclasses.replace(BELMONT, folder="Termine/Frisör"),)),
    _box("archives", rules=(dataclasses.replace(BELMONT, archive=True, mark_read=True),)),
    _box("bins", rules=(dataclasses.replace(BELMONT, trash=True),)),
    _box("discards", rules=(dataclasses.replace(BELMONT, discard=True),)),
    _box("hidden", rules=(dataclasses.replace(BELMONT, discard=True),)),
    _box("hidden-shows"),
    _box("lags", reception={"search_lag": 0.7}),
    _box("lags-long", reception={"search_lag": 600.0}),
    _box("pops", reception={"pop_after": 0.5}),
    _box("outlook", "outlook", login="oauth"),
    _box("yahoo", "yahoo"),
]


@dataclass
class Outcome:
    """What a probe found, and the mailboxes as they are afterwards."""

    world: World
    seeds: dict[tuple[str, str], SeedReport]
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)

    def place(self, inbox: str, stream: str = "reminder") -> Placement:
        """Where that stream's seed was found in that mailbox."""
        return self.seeds[inbox, stream].placement


def _state(world: World) -> dict[str, Any]:
    """Flags and labels of each message that was there before the probe."""
    return {
        box.name: sorted(
            (m.folder, m.uid, sorted(m.flags), sorted(m.labels))
            for m in world.mailbox(box.name).messages()
            if m.message_id == "old@hoster.example"
        )
        for box in BOXES
    }


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """One probe of six streams into all of these mailboxes."""
    folder = tmp_path_factory.mktemp("gmail")
    with World.start("bare") as world:
        for spec in BOXES:
            offer = manners()["gmail"].offer if spec.name == "asked-singly" else None
            if offer is not None:  # answers to searches that are asked together could not be told apart
                offer = dataclasses.replace(offer, after=tuple(name for name in offer.after if name != "ESEARCH"))
            box = world.add_mailbox(spec, offer)
            box.deliver(OLD)
            box.deliver(OLD, flags=["\\Flagged"])
            if spec.name.startswith("hidden"):
                world.call(lambda host=world.hosts[spec.name]: host.account.folders.pop(ALL_MAIL))
        config = world.write_config(folder)
        table = tomllib.loads(config.read_text())
        (folder / "forum.eml").write_text(FORUM_MAIL)
        sample = table["stream"][0]
        table["stream"] = [
            {
                "kind": "transactional", "from": "Salon Belmont <termine@belmont.example>", "dkim": sample["dkim"],
                "envelope_from": sample["envelope_from"], "routes": ["direct"], **one,
                **({} if "template" in one else {"text": "Guten Tag"}),
            }
            for one in STREAMS
        ]  # fmt: skip
        table["store"] = {"url": "sqlite:///store.db"}
        table["probe"] = {"timeout": "4s", "poll": "100ms", "settle": "800ms"}
        chosen = Settings.model_validate(table, context={"folder": folder})
        store = SeedStore.open(chosen.store.url)
        before = _state(world)
        report = ProbeRun(chosen, Selection.of(chosen), store).run()
        store.close()
        seeds = {(seed.inbox, seed.stream): seed for seed in report.seeds}
        yield Outcome(world, seeds, before, _state(world))


@pytest.mark.parametrize(
    ("stream", "verdict", "tab"),
    [
        ("reminder", Verdict.TAB, "updates"),
        ("newsletter", Verdict.TAB, "promotions"),
        ("social", Verdict.TAB, "social"),
        ("forum", Verdict.TAB, "forums"),
        ("note", Verdict.INBOX, None),
    ],
)
@pytest.mark.parametrize("box", ["tabs", "asked-singly"])
def test_the_tab_is_found(outcome: Outcome, box: str, stream: str, verdict: Verdict, tab: str | None) -> None:
    """Categories are no labels: each stream's own tab, by search, in a mailbox with German folder names."""
    place = outcome.place(box, stream)
    assert (place.verdict, place.folder, place.tab) == (verdict, "INBOX", tab)
    assert "\\Inbox" in place.labels
    assert (place.also_in, place.reason, place.unsearched, place.seen) == ((), None, (), False)
    assert set(place.searched) == {"INBOX", ALL_MAIL, SPAM, TRASH}


def test_spam(outcome: Outcome) -> None:
    """Mail whose signature fails lies in Spam, which All Mail does not show."""
    for box in ("tabs", "labels", "archives", "hidden-shows", "lags"):
        place = outcome.place(box, "invoice")
        assert (place.verdict, place.folder, place.tab) == (Verdict.SPAM, SPAM, None), box


def test_a_label_of_the_owner_is_a_folder(outcome: Outcome) -> None:
    """A rule that skips the inbox and sets a label: the label's full name, its umlaut decoded."""
    place = outcome.place("labels")
    assert (place.verdict, place.folder, place.sorted_by) == (Verdict.FOLDER, "Termine/Frisör", None)
    assert place.labels == ("Termine/Frisör",)


def test_archived_and_read_by_a_rule(outcome: Outcome) -> None:
    """In All Mail alone, and marked read with nobody reading."""
    place = outcome.place("archives")
    assert (place.verdict, place.folder, place.seen) == (Verdict.ARCHIVE, ALL_MAIL, True)


def test_thrown_away_by_a_rule(outcome: Outcome) -> None:
    """Trash is a place apart from All Mail, and looked into."""
    assert (outcome.place("bins").verdict, outcome.place("bins").folder) == (Verdict.TRASH, TRASH)


def test_discarded_is_missing(outcome: Outcome) -> None:
    """All Mail, Spam and Trash were searched: it is nowhere."""
    place = outcome.place("discards")
    assert place.verdict is Verdict.MISSING
    assert set(place.searched) == {"INBOX", ALL_MAIL, SPAM, TRASH}


def test_all_mail_that_is_hidden_makes_the_archive_unreadable(outcome: Outcome) -> None:
    """In no folder that is shown, it may be archived: never missing, with the setting that would show it."""
    place = outcome.place("hidden")
    assert place.verdict is Verdict.UNREADABLE
    assert "All Mail is not shown over IMAP; switch it on under Labels in Gmail's settings" in (place.reason or "")
    assert {"INBOX", SPAM, TRASH} <= set(place.searched)


def test_the_inbox_is_found_without_all_mail(outcome: Outcome) -> None:
    """What lies in a folder that is shown is found there, with its tab; the gap is told."""
    place = outcome.place("hidden-shows")
    assert (place.verdict, place.folder, place.tab) == (Verdict.TAB, "INBOX", "updates")
    assert any("All Mail" in gap.reason for gap in place.unsearched)


def test_a_search_index_that_lags_is_waited_for(outcome: Outcome) -> None:
    """Seen at once by its number, its tab a little later: no false "inbox"."""
    place = outcome.place("lags")
    assert (place.verdict, place.tab, place.reason) == (Verdict.TAB, "updates", None)
    assert place.seconds is not None
    assert place.seconds < 0.7


def test_a_search_index_that_never_tells_is_not_waited_for_long(outcome: Outcome) -> None:
    """The seed is in the inbox; which tab shows it could not be learned, and the verdict says so."""
    place = outcome.place("lags-long")
    assert (place.verdict, place.folder) == (Verdict.INBOX, "INBOX")
    assert "which tab shows it could not be learned" in (place.reason or "")


def test_a_pop_client_takes_it_into_the_trash(outcome: Outcome) -> None:
    """It was in the inbox and is in the trash now; both are told, in names that the reader knows."""
    place = outcome.place("pops")
    assert (place.verdict, place.folder) == (Verdict.TRASH, TRASH)
    assert place.reason == "first seen in INBOX, then moved"


@pytest.mark.parametrize("box", ["outlook", "yahoo"])
def test_other_providers_have_no_tabs(outcome: Outcome, box: str) -> None:
    """Without Gmail's extension the inbox is the inbox; spam by the provider's own folder name."""
    place = outcome.place(box)
    assert (place.verdict, place.folder, place.tab, place.labels) == (Verdict.INBOX, "INBOX", None, ())
    spam = outcome.place(box, "invoice")
    assert (spam.verdict, spam.folder) == (Verdict.SPAM, {"outlook": "Junk-E-Mail", "yahoo": "Bulk"}[box])


def test_a_search_for_many_seeds_is_no_deep_one(outcome: Outcome) -> None:
    """The lab reads as many keys as a mailbox may have seeds; only what stands deep in each other is refused."""
    found = next(seed for (inbox, _), seed in outcome.seeds.items() if inbox == "archives")
    keys = [b"HEADER MESSAGE-ID x%d" % number for number in range(60)]
    with imap(outcome.world, "archives") as client:
        client.select_folder(ALL_MAIL, readonly=True)
        anything = f"HEADER MESSAGE-ID {found.message_id}"
        assert client.search(_any_of([*keys, anything.encode()]).decode())
        with pytest.raises(IMAPClientError, match="nested too deeply"):
            client.search("NOT " * 100 + "ALL")


def test_nothing_is_changed_in_a_mailbox(outcome: Outcome) -> None:
    """Not a flag, not a label, of old mail or new; the servers were asked by reading commands alone."""
    assert outcome.after == outcome.before
    assert all(outcome.before.values())
    ours = {seed.message_id for seed in outcome.seeds.values()}
    for spec in BOXES:
        box = outcome.world.mailbox(spec.name)
        new = [m for m in box.messages() if m.message_id in ours]
        assert new or spec.name in ("discards", "hidden")
        for message in new:
            assert ("\\Seen" in message.flags) == (spec.name == "archives" and message.folder != SPAM)
        assert set(box.counters().commands) <= READING
