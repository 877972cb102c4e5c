"""The test Dovecot does what its fixtures promise."""

from __future__ import annotations

import socket
import time

import imapclient
import pytest
from imapclient.exceptions import LoginError

from tests.servers.account import HOST, Account, filler_id
from tests.servers.ca import Certificates
from tests.servers.dovecot import DOMAIN, Dovecot
from tests.servers.letter import letter
from tests.servers.process import ServerStartError, wait_until


def imaps(dovecot: Dovecot, certificates: Certificates) -> imapclient.IMAPClient:
    """A client with TLS from the first byte."""
    return imapclient.IMAPClient(
        HOST, port=dovecot.imaps_port, ssl=True, ssl_context=certificates.client_context(), timeout=10
    )


def test_a_user_logs_in_plainly_by_starttls_and_by_imaps(dovecot: Dovecot, certificates: Certificates) -> None:
    """All three ways in lead to the same mailbox, and the certificate verifies."""
    reader = dovecot.add_user()
    with reader.connect() as client:
        assert client.folder_exists("INBOX")
    with reader.connect(context=certificates.client_context()) as client:
        assert client.folder_exists("INBOX")
    client = imaps(dovecot, certificates)
    client.login(reader.username, reader.password)
    assert client.folder_exists("INBOX")
    client.logout()


@pytest.mark.parametrize("login", ["oauth2_login", "oauthbearer_login"])
def test_a_token_opens_the_mailbox_and_a_stale_one_does_not(
    dovecot: Dovecot, certificates: Certificates, login: str
) -> None:
    """XOAUTH2 and OAUTHBEARER check the token's signature and end."""
    reader = dovecot.add_user()
    client = imaps(dovecot, certificates)
    getattr(client, login)(reader.username, reader.token())
    assert client.folder_exists("INBOX")
    client.logout()
    client = imaps(dovecot, certificates)
    with pytest.raises(LoginError):
        getattr(client, login)(reader.username, reader.token(seconds=-60))
    client.shutdown()


def test_a_wrong_password_is_refused_without_the_usual_wait(dovecot: Dovecot) -> None:
    """Dovecot waits two seconds by default; ours is back in half a second, however often."""
    reader = dovecot.add_user()
    started = time.monotonic()
    for _ in range(2):
        client = imapclient.IMAPClient(HOST, port=dovecot.imap_port, ssl=False, timeout=10)
        with pytest.raises(LoginError, match="AUTHENTICATIONFAILED"):
            client.login(reader.username, "wrong")
        client.shutdown()
    assert time.monotonic() - started < 3


def test_a_changed_password_and_a_removed_user_count_at_once(dovecot: Dovecot) -> None:
    """What a test changes about a user needs no restart."""
    reader = dovecot.add_user()
    dovecot.set_password(reader, "another")
    with pytest.raises(LoginError), reader.connect():
        pass
    dovecot.remove_user(reader)
    assert reader.deliver(letter())[0] == 550


def test_folders_carry_their_marks_where_asked_for(dovecot: Dovecot) -> None:
    """Special-use marks stand on the folders named for them and on no other."""
    reader = dovecot.add_user(
        special_use={"Spamverdacht": r"\Junk", "Gelöschte Elemente": r"\Trash"}, folders=["Ablage/Rechnungen & mehr"]
    )
    folders = reader.folders()
    assert r"\Junk" in folders["Spamverdacht"]
    assert r"\Trash" in folders["Gelöschte Elemente"]
    assert "Ablage/Rechnungen & mehr" in folders
    marks = {
        flag for name, flags in folders.items() for flag in flags if name not in {"Spamverdacht", "Gelöschte Elemente"}
    }
    assert marks <= {r"\HasNoChildren", r"\HasChildren", r"\Noselect"}


def test_names_travel_in_modified_utf_7(dovecot: Dovecot) -> None:
    """On the wire an umlaut and an ampersand are what RFC 3501 §5.1.3 makes of them."""
    reader = dovecot.add_user(folders=["Entwürfe", "Müll & mehr"])
    with (
        socket.create_connection((HOST, dovecot.imap_port), timeout=5) as connection,
        connection.makefile("rwb") as wire,
    ):
        wire.readline()
        wire.write(f'a LOGIN {reader.username} "{reader.password}"\r\nb LIST "" *\r\nc LOGOUT\r\n'.encode())
        wire.flush()
        said = wire.read()
    assert b"Entw&APw-rfe" in said
    assert b'"M&APw-ll &- mehr"' in said


def test_a_prefix_and_a_separator_belong_to_one_user(dovecot: Dovecot) -> None:
    """Courier's manner (INBOX. and dots) stands beside the plain one on the same server."""
    courier = dovecot.add_user(prefix="INBOX.", separator=".", folders=["Ablage/2026"], special_use={"Spam": r"\Junk"})
    plain = dovecot.add_user(folders=["Ablage/2026"])
    assert {"INBOX", "INBOX.Ablage.2026", "INBOX.Spam"} <= courier.folders().keys()
    assert courier.name("Ablage/2026") == "INBOX.Ablage.2026"
    assert "Ablage/2026" in plain.folders()
    with courier.connect() as client:
        assert client.namespace().personal == (("INBOX.", "."),)


def test_reading_through_the_fixture_marks_nothing(dovecot: Dovecot) -> None:
    """A delivered message is unread before and after, and comes back byte for byte below the server's headers."""
    reader = dovecot.add_user()
    message = letter(to=reader.address)
    assert reader.deliver(message)[0] == 250
    assert reader.messages()[0].endswith(message)
    assert reader.flags() == [set()]


def test_lmtp_names_who_is_unknown_and_serves_the_others(dovecot: Dovecot) -> None:
    """One reply per recipient, in Dovecot's own words; a detail after + belongs to the same mailbox."""
    reader = dovecot.add_user("plus-taker")
    replies = dovecot.lmtp(letter(), reader.address, f"nobody@{DOMAIN}", f"plus-taker+shop@{DOMAIN}")
    assert replies[f"nobody@{DOMAIN}"] == (550, f"5.1.1 <nobody@{DOMAIN}> User doesn't exist: nobody@{DOMAIN}")
    assert replies[reader.address][0] == replies[f"plus-taker+shop@{DOMAIN}"][0] == 250
    assert len(reader.messages()) == 2


def test_a_full_mailbox_refuses_for_good(dovecot: Dovecot) -> None:
    """Over quota the reply comes after the data: 552 5.2.2."""
    reader = dovecot.add_user(quota="10K")
    code, text = reader.deliver(letter(text="x\n" * 20_000))
    assert (code, text) == (552, f"5.2.2 <{reader.address}> Quota exceeded (mailbox for user is full)")
    assert reader.messages() == []


def test_three_hundred_folders_take_no_time(dovecot: Dovecot) -> None:
    """They are there at once, and one LIST with STATUS tells of all."""
    started = time.monotonic()
    reader = dovecot.add_user(folders=[f"Kunden/K{number:03d}" for number in range(300)])
    with reader.connect() as client:
        client._imap.untagged_responses.clear()
        kind, _ = client._imap._simple_command("LIST", '""', "*", "RETURN", "(STATUS (UIDNEXT))")
        statuses = client._imap.untagged_responses["STATUS"]
    assert kind == "OK"
    assert len(statuses) == 301
    assert time.monotonic() - started < 5


def test_twenty_thousand_messages_are_written_in_seconds(dovecot: Dovecot) -> None:
    """A mailbox of the size that people have, searched by Message-ID and by date."""
    reader = dovecot.add_user()
    started = time.monotonic()
    reader.fill("Archiv", 20_000)
    assert time.monotonic() - started < 30
    with reader.connect() as client:
        assert client.select_folder("Archiv", readonly=True)[b"EXISTS"] == 20_000
        assert client.search(["HEADER", "Message-ID", filler_id(15_000)]) == [15_001]
        assert client.search(["SINCE", "01-Jan-2026"]) == []


def test_an_idling_client_hears_of_new_mail(dovecot: Dovecot) -> None:
    """IDLE tells of a delivery within two seconds."""
    reader = dovecot.add_user()
    with reader.connect() as client:
        client.select_folder("INBOX", readonly=True)
        client.idle()
        reader.deliver(letter())
        heard: list[object] = []

        def told() -> bool:
            heard.extend(client.idle_check(timeout=0.2))
            return (1, b"EXISTS") in heard

        wait_until(told, seconds=2, what="EXISTS")
        client.idle_done()


def test_any_setting_can_be_one_users_own(dovecot: Dovecot) -> None:
    """A server without LIST-STATUS, for one user."""
    reader = dovecot.add_user(settings={"imap_capability": "IMAP4rev1 IDLE UIDPLUS"})
    with reader.connect() as client:
        client._imap._simple_command("CAPABILITY")
        assert "LIST-STATUS" not in client._imap.untagged_responses["CAPABILITY"][-1].decode()


def test_a_start_that_fails_shows_the_servers_own_words(monkeypatch: pytest.MonkeyPatch, dovecot: Dovecot) -> None:
    """Whoever breaks the configuration reads why, and no folder is left behind."""
    del dovecot  # only its being installed matters
    monkeypatch.setattr("tests.servers.dovecot._CONFIGURATION", "no_such_setting = yes\n")
    broken = Dovecot()
    with pytest.raises(ServerStartError, match="no_such_setting"):
        broken.start()
    assert not broken.home.path.exists()


def test_nothing_of_a_stopped_server_is_left(certificates: Certificates, dovecot: Dovecot) -> None:
    """After a stop the port is closed and the folder gone."""
    del dovecot
    with Dovecot(certificates.good) as server:
        reader = server.add_user()
        assert isinstance(reader, Account)
        folder, port = server.home.path, server.imap_port
    assert not folder.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=1).close()
