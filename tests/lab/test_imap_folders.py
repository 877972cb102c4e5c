"""Folders over IMAP: how they are listed, named and counted, as each provider does it."""

import imaplib

import pytest
from imapclient.exceptions import IMAPClientError, LoginError

from tests.lab.clients import build, imap, raw_imap
from toolkit.lab.world import Mailbox, World


def _listed(world: World, name: str) -> dict[str, set[bytes]]:
    with imap(world, name) as client:
        return {folder: set(flags) for flags, _, folder in client.list_folders()}


@pytest.mark.parametrize(
    ("mailbox", "folder", "attribute"),
    [
        ("gmail-1", "[Gmail]/Spam", b"\\Junk"),
        ("gmail-1", "[Gmail]/Alle Nachrichten", b"\\All"),
        ("gmail-1", "[Gmail]/Papierkorb", b"\\Trash"),
        ("yahoo-1", "Bulk", b"\\Junk"),
        ("icloud-1", "Junk", b"\\Junk"),
        ("gmx-1", "Spamverdacht", b"\\Junk"),
        ("webde-1", "Spam", b"\\Junk"),
        ("t-online-1", "INBOX.Spam", b"\\Junk"),
        ("zoho-1", "Spam", b"\\Junk"),
    ],
)
def test_special_folders_carry_their_attribute(everything: World, mailbox: str, folder: str, attribute: bytes) -> None:
    """A plain LIST shows what a folder is for, whatever CAPABILITY says."""
    assert attribute in _listed(everything, mailbox)[folder]


def test_outlook_shows_no_attribute_and_a_german_name(everything: World) -> None:
    """Junk-E-Mail is found by its exact name alone."""
    folders = _listed(everything, "outlook-1")
    assert "Junk-E-Mail" in folders
    assert "Gelöschte Elemente" in folders
    assert not any(flag in (b"\\Junk", b"\\Trash", b"\\Archive") for flags in folders.values() for flag in flags)


@pytest.mark.parametrize(
    ("mailbox", "there", "missing"),
    [
        ("gmail-1", {b"X-GM-EXT-1", b"SPECIAL-USE", b"LIST-STATUS", b"MOVE", b"UIDPLUS", b"IDLE"}, {b"LITERAL+"}),
        ("outlook-1", {b"AUTH=XOAUTH2", b"SASL-IR", b"LITERAL+"}, {b"SPECIAL-USE", b"LIST-EXTENDED", b"LIST-STATUS"}),
        ("yahoo-1", {b"UIDPLUS", b"MOVE"}, {b"SPECIAL-USE", b"IDLE"}),
        ("gmx-1", {b"LIST-EXTENDED", b"LIST-STATUS", b"SPECIAL-USE"}, {b"X-GM-EXT-1"}),
        ("zoho-1", {b"XLIST", b"IDLE"}, {b"SPECIAL-USE", b"LIST-STATUS"}),
    ],
)
def test_capabilities_are_those_of_the_provider(
    everything: World, mailbox: str, there: set[bytes], missing: set[bytes]
) -> None:
    """After the login a mailbox offers what its provider offers, and no more."""
    with imap(everything, mailbox) as client:
        offered = set(client.capabilities())
    assert there <= offered
    assert not missing & offered


def test_outlook_takes_a_token_and_no_password(everything: World) -> None:
    """LOGINDISABLED before the login, XOAUTH2 in, a stale token out."""
    with imap(everything, "outlook-1", login=False) as client:
        assert client.has_capability("LOGINDISABLED")
        with pytest.raises(LoginError):
            client.login("probe1@outlook.example", "lab password")
        with pytest.raises(LoginError):
            client.oauth2_login("probe1@outlook.example", "stale")
        client.oauth2_login("probe1@outlook.example", everything.mailbox("outlook-1").secret)
        assert client.list_folders()


def test_a_token_also_goes_in_by_oauthbearer(everything: World) -> None:
    """RFC 7628, where the server offers it."""
    box = everything.mailbox("gmail-2")
    with imap(everything, "gmail-2", login=False) as client:
        client.oauthbearer_login(box.username, box.secret)
        assert client.list_folders()


def test_a_password_goes_in_by_authenticate_plain(everything: World) -> None:
    """With and without the initial response."""
    box = everything.mailbox("gmx-1")
    with imap(everything, "gmx-1", login=False) as client:
        client.plain_login(box.username, box.secret)
        assert client.list_folders()


def test_a_wrong_password_is_refused_and_a_second_try_goes_in(everything: World) -> None:
    """In the provider's words, with the response code of RFC 5530."""
    box = everything.mailbox("posteo-1")
    with imap(everything, "posteo-1", login=False) as client:
        with pytest.raises(LoginError, match="AUTHENTICATIONFAILED"):
            client.login(box.username, "wrong")
        client.login(box.username, box.secret)


def test_icloud_takes_the_local_part_as_the_name(everything: World) -> None:
    """The user name of iCloud is no address."""
    assert everything.mailbox("icloud-1").username == "probe1"
    assert "Junk" in _listed(everything, "icloud-1")


def test_starttls_hides_the_login_until_tls(everything: World) -> None:
    """LOGINDISABLED in clear, LOGIN after the handshake (RFC 9051, section 6.2.1)."""
    box = everything.mailbox("gmx-1")
    client = imaplib.IMAP4("127.0.0.1", box.port, timeout=5)
    try:
        assert "LOGINDISABLED" in client.capabilities
        assert "STARTTLS" in client.capabilities
        with pytest.raises(imaplib.IMAP4.error):
            client.login(box.username, box.secret)
    finally:
        client.shutdown()


def test_namespaces_and_separators(everything: World) -> None:
    """INBOX. with a dot for one provider, a slash and no prefix for another."""
    with imap(everything, "posteo-1") as client:
        assert client.namespace().personal[0] == ("INBOX.", ".")
        assert ((b"\\HasNoChildren",), b".", "INBOX.Bücher") in client.list_folders()
    with imap(everything, "gmx-1") as client:
        assert client.namespace().personal[0] == ("", "/")


def test_folder_names_are_in_modified_utf_7(everything: World) -> None:
    """On the wire it is `Kunden/Termine f&APw-r sp&AOQ-ter`; parents are listed with their children."""
    folders = _listed(everything, "rules-folder")
    assert b"\\HasChildren" in folders["Kunden"]
    assert {"Kunden/Rückrufe", "Kunden/Termine für später"} <= set(folders)
    with imap(everything, "rules-folder") as client:
        client.folder_encode = False
        raw = [name for _, _, name in client.list_folders("", "Kunden/%")]
        assert sorted(raw) == [b"Kunden/R&APw-ckrufe", b"Kunden/Termine f&APw-r sp&AOQ-ter"]


def test_patterns_of_list(lab: World, box: Mailbox) -> None:
    """% stops at the separator, * does not, and INBOX is INBOX in any case."""
    box.create_folder("a/b/c")
    with imap(lab, box.name) as client:
        names = {pattern: {name for _, _, name in client.list_folders("", pattern)} for pattern in ("a/%", "a*", "%")}
        assert names["a/%"] == {"a/b"}
        assert names["a*"] == {"a", "a/b", "a/b/c"}
        assert "a/b" not in names["%"]
        assert {name for _, _, name in client.list_folders("", "inbox")} == {"INBOX"}
        assert {name for _, _, name in client.list_folders("a/", "%")} == {"a/b"}


def test_list_status_tells_of_every_folder_in_one_round_trip(lab: World, box: Mailbox) -> None:
    """RFC 5819: LIST with RETURN (STATUS …), the special uses beside."""
    box.deliver(build())
    box.deliver(build(), "Junk", ["\\Seen"])
    with raw_imap(lab, box.name) as client:
        lines = client.ask("a", 'LIST "" "*" RETURN (SPECIAL-USE STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN))')
    assert lines[-1].startswith(b"a OK")
    status = {line.split(b'"')[1]: line for line in lines if line.startswith(b"* STATUS")}
    assert status.keys() == {b"INBOX", b"Archiv", b"Drafts", b"Junk", b"Sent", b"Trash"}
    assert b"MESSAGES 1 UIDNEXT 2" in status[b"INBOX"]
    assert status[b"INBOX"].endswith(b"UNSEEN 1)")
    assert status[b"Junk"].endswith(b"UNSEEN 0)")


def test_selection_options_of_list(lab: World, box: Mailbox) -> None:
    """RFC 5258: special uses alone, subscribed folders alone, several patterns."""
    with raw_imap(lab, box.name) as client:
        lines = client.ask("a", 'LIST (SPECIAL-USE) "" ("*")')
        assert len([line for line in lines if line.startswith(b"* LIST")]) == 5
        client.ask("b", "UNSUBSCRIBE Sent")
        lines = client.ask("c", 'LIST (SUBSCRIBED) "" "*"')
        assert not any(b'"Sent"' in line for line in lines)
        assert any(b"\\Subscribed" in line and b'"Junk"' in line for line in lines)
        lines = client.ask("d", 'LIST "" (INBOX "Tr%")')
        assert len(lines) == 3
        assert client.ask("e", 'LIST "" ""')[0] == b'* LIST (\\Noselect) "/" ""'
        assert not any(b'"Sent"' in line for line in client.ask("f", 'LSUB "" "*"'))


def test_extensions_that_are_not_offered_are_not_understood(lab: World, everything: World) -> None:
    """A client that asks for more than was offered hears BAD, as it would elsewhere."""
    del lab
    with imap(everything, "yahoo-1") as client, pytest.raises(IMAPClientError):
        client._imap._simple_command("IDLE")
    with imap(everything, "outlook-1") as client, pytest.raises(imaplib.IMAP4.error):
        client._imap._simple_command("LIST", '""', "*", "RETURN", "(SPECIAL-USE)")


def test_status_select_and_examine_agree(lab: World, box: Mailbox) -> None:
    """Counts, UIDNEXT and UIDVALIDITY are the same wherever they are asked."""
    box.deliver(build())
    box.deliver(build(), flags=["\\Seen"])
    with imap(lab, box.name) as client:
        status = client.folder_status("INBOX", ["MESSAGES", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "RECENT"])
        assert (status[b"MESSAGES"], status[b"UIDNEXT"], status[b"UNSEEN"]) == (2, 3, 1)
        examined = client.select_folder("INBOX", readonly=True)
        assert (examined[b"EXISTS"], examined[b"UIDNEXT"], examined[b"RECENT"]) == (2, 3, 2)
        assert examined[b"UIDVALIDITY"] == status[b"UIDVALIDITY"]
        assert client.select_folder("INBOX")[b"RECENT"] == 2  # EXAMINE took nothing of it
        client.unselect_folder()
        assert client.select_folder("INBOX")[b"RECENT"] == 0


def test_a_folder_that_is_not_there_or_holds_nothing(everything: World) -> None:
    """NO with a code, and nothing stays selected."""
    with imap(everything, "gmail-1") as client:
        client.select_folder("INBOX", readonly=True)
        with pytest.raises(IMAPClientError, match="NONEXISTENT"):
            client.select_folder("[Gmail]/Nirgendwo")
        with pytest.raises(IMAPClientError):
            client.select_folder("[Gmail]")
        with pytest.raises(IMAPClientError):
            client.search()


def test_folders_are_made_renamed_and_deleted(lab: World, box: Mailbox) -> None:
    """CREATE makes the parents, RENAME moves the children, DELETE spares the INBOX."""
    with imap(lab, box.name) as client:
        client.create_folder("Kunden/Müller")
        client.append("Kunden/Müller", build())
        client.rename_folder("Kunden", "Alle/Leute")
        assert "Alle" in box.folders()
        client.rename_folder("Alle/Leute", "Leute")
        assert {"Leute", "Leute/Müller"} <= set(box.folders())
        assert len(box.messages("Leute/Müller")) == 1
        client.delete_folder("Leute/Müller")
        assert not client.folder_exists("Leute/Müller")
        for command in (lambda: client.delete_folder("INBOX"), lambda: client.create_folder("Leute")):
            with pytest.raises(IMAPClientError):
                command()


def test_gmail_still_answers_xlist(everything: World) -> None:
    """The forerunner of SPECIAL-USE, with names of its own."""
    with imap(everything, "gmail-1") as client:
        folders = {name: flags for flags, _, name in client.xlist_folders()}
    assert b"\\AllMail" in folders["[Gmail]/Alle Nachrichten"]
    assert b"\\Spam" in folders["[Gmail]/Spam"]


def test_quota_over_imap(lab: World, box: Mailbox) -> None:
    """A full mailbox shows it, and takes no APPEND."""
    box.deliver(build(text="x" * 3000))
    box.quota(4096)
    with imap(lab, box.name) as client:
        (quota,) = client.get_quota("INBOX")
        assert (quota.resource, quota.limit) == ("STORAGE", 4)
        assert quota.usage == 4
        with pytest.raises(IMAPClientError, match="OVERQUOTA"):
            client.append("INBOX", build(text="y" * 3000))


def test_id_names_the_server(everything: World) -> None:
    """RFC 2971: each provider's own name."""
    with imap(everything, "gmail-1") as client:
        assert client.id_({"name": "mailwhy"})[0][1] == b"GImap"
