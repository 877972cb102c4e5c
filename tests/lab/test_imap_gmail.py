"""Gmail's extension: labels are folders, All Mail is a view, tabs are found by X-GM-RAW alone."""

import time

import pytest
from imapclient.exceptions import IMAPClientError

from tests.lab.clients import build, imap, raw_imap, send, sign, unique_id
from toolkit.lab.gmail import GmailAccount
from toolkit.lab.placing import Rule
from toolkit.lab.world import Mailbox, World

_ALL = "[Gmail]/Alle Nachrichten"
_SPAM = "[Gmail]/Spam"
_TRASH = "[Gmail]/Papierkorb"


def _deliver(world: World, box: Mailbox, **message: str) -> str:
    message_id = unique_id("gm")
    assert send(world, sign(build(box.address, message_id=message_id, **message)), box.address)[0] == 250
    return message_id


def _folders(box: Mailbox, message_id: str) -> set[str]:
    return {m.folder for m in box.messages() if m.message_id == message_id}


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ({"subject": "Ihr Termin morgen"}, "updates"),
        ({"subject": "Ihre Rechnung"}, "updates"),
        ({"subject": "Neue Farben", "List_Unsubscribe": "<https://belmont.example/x>"}, "promotions"),
        ({"subject": "Hallo Anna"}, "primary"),
        ({"subject": "Frage", "List_Post": "<mailto:liste@belmont.example>"}, "forums"),
        ({"subject": "Anna folgt dir jetzt"}, "social"),
    ],
)
def test_the_tab_follows_from_the_message(lab: World, gmail: Mailbox, message: dict[str, str], category: str) -> None:
    """One search per category finds the tab, in All Mail and in the inbox."""
    message_id = _deliver(lab, gmail, **message)
    with imap(lab, gmail.name) as client:
        client.select_folder(_ALL, readonly=True)
        hits = [
            name
            for name in ("primary", "social", "promotions", "updates", "forums")
            if client.gmail_search(f"rfc822msgid:{message_id} category:{name}")
        ]
        assert hits == [category]
        client.select_folder("INBOX", readonly=True)
        assert client.gmail_search(f"category:{category}") == [1]


def test_all_mail_shows_everything_but_spam_and_trash(lab: World, gmail: Mailbox) -> None:
    """Each of the three is a place of its own to search."""
    inbox = _deliver(lab, gmail)
    gmail.deliver(build(message_id="junk@belmont.example"), _SPAM)
    gmail.deliver(build(message_id="trash@belmont.example"), _TRASH)
    assert _folders(gmail, inbox) == {"INBOX", _ALL}
    assert _folders(gmail, "junk@belmont.example") == {_SPAM}
    assert _folders(gmail, "trash@belmont.example") == {_TRASH}


def test_the_label_of_the_selected_folder_is_left_out(lab: World, gmail: Mailbox) -> None:
    """In All Mail the inbox is a label; in the inbox it is not. A category never is one."""
    _deliver(lab, gmail, subject="Ihr Termin")
    with imap(lab, gmail.name) as client:
        client.select_folder(_ALL, readonly=True)
        assert client.get_gmail_labels([1]) == {1: ["\\Inbox"]}
        client.select_folder("INBOX", readonly=True)
        assert client.get_gmail_labels([1]) == {1: []}


def test_a_filter_that_skips_the_inbox(lab: World, gmail: Mailbox) -> None:
    """The label's folder and All Mail have it, the inbox does not; labels are in modified UTF-7."""
    gmail.rules(Rule(sender="belmont.example", folder="Termine/Frisör"))
    message_id = _deliver(lab, gmail)
    assert _folders(gmail, message_id) == {"Termine/Frisör", _ALL}
    with imap(lab, gmail.name) as client:
        client.select_folder(_ALL, readonly=True)
        assert client.get_gmail_labels([1]) == {1: ["Termine/Frisör"]}
        assert client.search(["X-GM-LABELS", "Termine/Fris&APY-r"]) == [1]
        assert client.gmail_search("label:termine-frisör -in:inbox") == [1]
        assert client.gmail_search("in:inbox") == []


def test_archived_mail_is_in_all_mail_alone(lab: World, gmail: Mailbox) -> None:
    """Without a label there is nothing but All Mail."""
    gmail.rules(Rule(sender="belmont.example", archive=True, mark_read=True))
    message_id = _deliver(lab, gmail)
    assert _folders(gmail, message_id) == {_ALL}
    assert [m.flags for m in gmail.messages(_ALL)] == [{"\\Seen"}]


def test_one_message_has_one_id_in_every_folder(lab: World, gmail: Mailbox) -> None:
    """X-GM-MSGID and X-GM-THRID are the same wherever the message shows; a reply joins the thread."""
    first = _deliver(lab, gmail)
    _deliver(lab, gmail, References=f"<{first}>")
    with imap(lab, gmail.name) as client:
        client.select_folder(_ALL, readonly=True)
        everywhere = client.fetch([1, 2], ["X-GM-MSGID", "X-GM-THRID"])
        client.select_folder("INBOX", readonly=True)
        inbox = client.fetch([1, 2], ["X-GM-MSGID", "X-GM-THRID"])
        assert everywhere == inbox
        assert inbox[1][b"X-GM-MSGID"] != inbox[2][b"X-GM-MSGID"]
        assert inbox[1][b"X-GM-THRID"] == inbox[2][b"X-GM-THRID"]
        assert client.search(["X-GM-MSGID", str(inbox[2][b"X-GM-MSGID"])]) == [2]
        assert client.search(["X-GM-THRID", str(inbox[1][b"X-GM-THRID"])]) == [1, 2]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("from:termine@belmont.example", [1, 2]),
        ("subject:farben", [2]),
        ("farben", [2]),
        ('"neue farben"', [2]),
        ("donnerstag -farben", [1]),
        ("is:unread", [1, 2]),
        ("is:read", []),
        ("subject:farben OR subject:termin", [1, 2]),
        ("in:anywhere", [1, 2]),
        ("in:spam", []),
        ("to:nobody", []),
        ("has:attachment", []),
    ],
)
def test_raw_search(lab: World, gmail: Mailbox, query: str, found: list[int]) -> None:
    """Gmail's own language, over the selected folder."""
    _deliver(lab, gmail, subject="Ihr Termin")
    _deliver(lab, gmail, subject="Neue Farben")
    with imap(lab, gmail.name) as client:
        client.select_folder("INBOX", readonly=True)
        assert client.gmail_search(query) == found


def test_the_search_index_lags_behind(lab: World, gmail: Mailbox) -> None:
    """Right after delivery HEADER and X-GM-RAW miss a message that FETCH shows; a little later they find it."""
    gmail.reception(search_lag=0.3)
    before = time.monotonic()
    message_id = _deliver(lab, gmail)
    with imap(lab, gmail.name) as client:
        client.select_folder(_ALL, readonly=True)
        assert client.fetch([1], ["ENVELOPE"])[1][b"ENVELOPE"].message_id == f"<{message_id}>".encode()
        assert client.search(["HEADER", "Message-ID", f"<{message_id}>"]) == []
        assert client.gmail_search(f"rfc822msgid:{message_id}") == []
        assert client.search(["UID", "1"]) == [1]
        while not client.search(["HEADER", "Message-ID", f"<{message_id}>"]) and time.monotonic() < before + 3:
            time.sleep(0.02)
        assert time.monotonic() - before >= 0.3
        assert client.gmail_search(f"rfc822msgid:{message_id}") == [1]


def test_labels_and_folders_are_one(lab: World, gmail: Mailbox) -> None:
    """A label added makes the message appear in a folder, a COPY adds a label, an EXPUNGE takes one off."""
    message_id = _deliver(lab, gmail)
    with imap(lab, gmail.name) as client:
        client.select_folder("INBOX")
        client.add_gmail_labels([1], ["Kunden/Müller"])
        assert _folders(gmail, message_id) == {"INBOX", _ALL, "Kunden/Müller"}
        client.copy([1], "[Gmail]/Wichtig")
        assert client.get_gmail_labels([1])[1] == ["\\Important", "Kunden/Müller"]
        client.add_flags([1], [b"\\Flagged"])
        assert "[Gmail]/Markiert" in _folders(gmail, message_id)
        client.remove_gmail_labels([1], ["Kunden/Müller", "\\Important", "\\Starred"])
        client.delete_messages([1])
        client.expunge()
        assert _folders(gmail, message_id) == {_ALL}
        client.select_folder(_ALL)
        client.move([1], _TRASH)
        assert _folders(gmail, message_id) == {_TRASH}
        client.select_folder(_TRASH)
        client.delete_messages([1])
        client.expunge()
        assert _folders(gmail, message_id) == set()


def test_a_pop_client_takes_the_message_into_the_trash(lab: World, gmail: Mailbox) -> None:
    """Gmail's "delete Gmail's copy" leaves it in the trash."""
    gmail.reception(pop_after=0.05)
    message_id = _deliver(lab, gmail)
    assert _folders(gmail, message_id) == {"INBOX", _ALL}
    deadline = time.monotonic() + 3
    while _folders(gmail, message_id) != {_TRASH} and time.monotonic() < deadline:
        time.sleep(0.01)
    assert _folders(gmail, message_id) == {_TRASH}


def test_other_servers_know_nothing_of_it(lab: World, box: Mailbox) -> None:
    """Gmail's items and keys are errors elsewhere."""
    box.deliver(build())
    with imap(lab, box.name) as client:
        client.select_folder("INBOX", readonly=True)
        with pytest.raises(IMAPClientError):
            client.fetch([1], ["X-GM-LABELS"])
        with pytest.raises(IMAPClientError):
            client.search(["X-GM-RAW", "x"])


def test_a_rename_keeps_label_and_folder_together(lab: World, gmail: Mailbox) -> None:
    """After RENAME the messages carry the new label."""
    gmail.deliver(build(message_id="renamed@belmont.example"), "Alt")
    with raw_imap(lab, gmail.name) as client:
        assert client.ask("a", "RENAME Alt Neu")[-1].startswith(b"a OK")
    account = lab.hosts[gmail.name].account
    assert isinstance(account, GmailAccount)
    assert _folders(gmail, "renamed@belmont.example") == {"Neu", _ALL}
    assert [m.labels for m in gmail.messages("Neu")] == [{"Neu"}]
