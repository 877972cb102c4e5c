"""Where seeds are found in real mailboxes: Dovecot with Pigeonhole, folders of every kind, rules of their owners."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.collect.harness import Probing, inbox_of, lmtp_route
from tests.servers.account import Account
from tests.servers.ca import Certificates
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix
from toolkit.model.placement import HandoffStatus, SeedReport, Verdict

FILE_INTO = 'require ["fileinto", "mailbox", "imap4flags"];'


def probe(
    folder: Path, dovecot: Dovecot, accounts: dict[str, Account], **more: dict[str, object]
) -> dict[str, SeedReport]:
    """One seed to each account; `more` are further settings by inbox."""
    inboxes = [inbox_of(account, name, **more.get(name, {})) for name, account in accounts.items()]
    return Probing(folder, [lmtp_route(dovecot.lmtp_port)], inboxes).run()


def test_a_seed_in_the_inbox(dovecot: Dovecot, tmp_path: Path) -> None:
    """Nothing special: it is in the inbox, unread, and stays so; every reply of the handoff is kept."""
    account = dovecot.add_user()
    seed = probe(tmp_path, dovecot, {"plain": account})["plain"]
    assert seed.placement.verdict is Verdict.INBOX
    assert seed.placement.folder == "INBOX"
    assert not seed.placement.seen
    assert seed.placement.searched == ("INBOX",)
    assert seed.placement.seconds is not None
    assert 0 <= seed.placement.seconds < 5
    assert account.flags() == [set()]
    assert seed.handoff is not None
    assert (seed.handoff.status, seed.handoff.code, seed.handoff.enhanced) == (HandoffStatus.ACCEPTED, 250, "2.0.0")
    assert next(line.phase for line in seed.handoff.replies) == "greeting"
    assert {"helo", "mail", "rcpt", "data", "content"} <= {line.phase for line in seed.handoff.replies}
    assert any(header.name == "Received" for header in seed.headers)
    assert not any(header.name == "Subject" for header in seed.headers)


def test_the_rules_of_the_owner(dovecot: Dovecot, tmp_path: Path) -> None:
    """A rule that files, marks as read, archives, discards or redirects shows in the verdict."""
    other = dovecot.add_user()
    accounts = {
        "files": dovecot.add_user(sieve=f'{FILE_INTO} fileinto :create "Kunden/Termine Größe";'),
        "reads": dovecot.add_user(sieve=f'{FILE_INTO} setflag "\\\\Seen"; keep;'),
        "archives": dovecot.add_user(
            special_use={"Archiv": r"\Archive"}, sieve=f'{FILE_INTO} setflag "\\\\Seen"; fileinto "Archiv";'
        ),
        "trashes": dovecot.add_user(folders=["Papierkorb"], sieve=f'{FILE_INTO} fileinto "Papierkorb";'),
        "copies": dovecot.add_user(sieve=f'{FILE_INTO} require "copy"; fileinto :copy :create "Belege";'),
        "discards": dovecot.add_user(sieve="discard;"),
    }
    seeds = probe(tmp_path, dovecot, accounts | {"other": other})
    filed = seeds["files"].placement
    assert (filed.verdict, filed.folder, filed.sorted_by) == (Verdict.FOLDER, "Kunden/Termine Größe", None)
    assert seeds["reads"].placement.verdict is Verdict.INBOX
    assert seeds["reads"].placement.seen
    assert (seeds["archives"].placement.verdict, seeds["archives"].placement.seen) == (Verdict.ARCHIVE, True)
    assert (seeds["trashes"].placement.verdict, seeds["trashes"].placement.folder) == (Verdict.TRASH, "Papierkorb")
    assert (seeds["copies"].placement.verdict, seeds["copies"].placement.also_in) == (Verdict.INBOX, ("Belege",))
    assert seeds["discards"].placement.verdict is Verdict.MISSING
    assert seeds["discards"].placement.searched == ("INBOX",)


def test_spam_folders_are_known_by_mark_by_name_and_by_configuration(dovecot: Dovecot, tmp_path: Path) -> None:
    """The server's mark first, then the exact name in many languages, then what the configuration says."""
    into = 'require "fileinto"; fileinto "{}";'
    accounts = {
        "marked": dovecot.add_user(special_use={"Verdächtig": r"\Junk"}, sieve=into.format("Verdächtig")),
        "named": dovecot.add_user(folders=["Spamverdacht"], sieve=into.format("Spamverdacht")),
        "configured": dovecot.add_user(folders=["Aussortiert"], sieve=into.format("Aussortiert")),
        "lookalike": dovecot.add_user(folders=["Spam reports"], sieve=into.format("Spam reports")),
        "prefixed": dovecot.add_user(prefix="INBOX.", separator=".", folders=["Junk"], sieve=into.format("INBOX.Junk")),
        "unknowns": dovecot.add_user(folders=["Unbekannt"], sieve=into.format("Unbekannt")),
    }
    seeds = probe(
        tmp_path,
        dovecot,
        accounts,
        configured={"folders": {"spam": "Aussortiert"}},
        unknowns={"provider": "webde"},
    )
    assert seeds["marked"].placement.verdict is Verdict.SPAM
    assert seeds["marked"].placement.folder == "Verdächtig"
    assert seeds["named"].placement.verdict is Verdict.SPAM
    assert seeds["configured"].placement.verdict is Verdict.SPAM
    assert seeds["lookalike"].placement.verdict is Verdict.FOLDER
    assert (seeds["prefixed"].placement.verdict, seeds["prefixed"].placement.folder) == (Verdict.SPAM, "INBOX.Junk")
    unknown = seeds["unknowns"].placement
    assert (unknown.verdict, unknown.sorted_by) == (Verdict.FOLDER, "provider")


def test_a_large_mailbox_and_many_folders(dovecot: Dovecot, tmp_path: Path) -> None:
    """20,000 messages in the inbox, 300 folders: the seed is found in the right one, and only what is new is read."""
    full = dovecot.add_user()
    full.fill("INBOX", 20_000)
    many = dovecot.add_user(sieve='require "fileinto"; fileinto "Ordner 217";')
    many.make_folders(*(f"Ordner {number}" for number in range(300)))
    seeds = probe(tmp_path, dovecot, {"full": full, "many": many})
    assert seeds["full"].placement.verdict is Verdict.INBOX
    assert seeds["many"].placement.folder == "Ordner 217"
    assert len(seeds["many"].placement.searched) == 301


def test_a_full_mailbox_and_an_unknown_one(dovecot: Dovecot, tmp_path: Path) -> None:
    """Over quota and no such user: the refusal is the verdict, with the server's words."""
    full = dovecot.add_user(quota="20K")
    full.append("INBOX", b"Subject: large\r\n\r\n" + b"x" * 70 + b"\r\n" * 10)
    gone = dovecot.add_user()
    dovecot.remove_user(gone)
    full_text = [
        {"name": "reminder", "kind": "transactional", "from": "a@belmont.example", "subject": "s", "text": "x" * 30_000}
    ]
    seeds = Probing(
        tmp_path,
        [lmtp_route(dovecot.lmtp_port)],
        [inbox_of(full, "full"), inbox_of(gone, "gone")],
        streams=full_text,
    ).run()
    assert seeds["full"].placement.verdict in (Verdict.REFUSED, Verdict.UNSENT)
    assert "uota" in (seeds["full"].placement.reason or "")
    assert seeds["gone"].placement.verdict is Verdict.REFUSED
    assert seeds["gone"].handoff is not None
    assert (seeds["gone"].handoff.code, seeds["gone"].handoff.enhanced) == (550, "5.1.1")


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_over_tls(dovecot: Dovecot, certificates: Certificates, tmp_path: Path, security: str) -> None:
    """TLS and STARTTLS, the certificate verified against the configured authority."""
    account = dovecot.add_user()
    port = dovecot.imaps_port if security == "tls" else dovecot.imap_port
    tls = {"security": security, "port": port, "ca_file": certificates.ca_file}
    assert probe(tmp_path, dovecot, {"safe": account}, safe=tls)["safe"].placement.verdict is Verdict.INBOX


def test_oauth(dovecot: Dovecot, tmp_path: Path) -> None:
    """SASL XOAUTH2 logs in with a token; a stale one is a login that failed, never a missing mail."""
    good, stale = dovecot.add_user(), dovecot.add_user()
    settings = {
        "good": {"password": None, "oauth": {"access_token": {"value": good.token()}}},
        "stale": {"password": None, "oauth": {"access_token": {"value": stale.token(seconds=-60)}}},
    }
    seeds = probe(tmp_path, dovecot, {"good": good, "stale": stale}, **settings)
    assert seeds["good"].placement.verdict is Verdict.INBOX
    assert seeds["stale"].placement.verdict is Verdict.UNREADABLE
    assert "login" in (seeds["stale"].placement.reason or "")


def test_through_postfix(dovecot: Dovecot, postfix: Postfix, tmp_path: Path) -> None:
    """The usual way: our own MTA takes it with 250. What it cannot deliver comes back as a DSN: bounced."""
    there = dovecot.add_user()
    gone = dovecot.add_user()
    dovecot.remove_user(gone)
    bounces = dovecot.add_user()
    stream = {
        "name": "reminder", "kind": "transactional", "from": "Salon <termine@belmont.example>", "subject": "Termin",
        "text": "Guten Tag", "envelope_from": bounces.address,
    }  # fmt: skip
    collect = dict(inbox_of(bounces, "bounces").items())
    route = {"name": "main", "host": "127.0.0.1", "port": postfix.port, "security": "none"}
    probing = Probing(
        tmp_path, [route], [inbox_of(there, "there"), inbox_of(gone, "gone")],
        streams=[stream], collect=[collect], timing={"timeout": "15s"},
    )  # fmt: skip
    seeds = probing.run()
    assert seeds["there"].placement.verdict is Verdict.INBOX
    assert len(seeds["there"].hops) >= 1
    assert seeds["gone"].placement.verdict is Verdict.BOUNCED
    assert "5.1.1" in (seeds["gone"].placement.reason or "")
    assert seeds["gone"].handoff is not None
    assert seeds["gone"].handoff.status is HandoffStatus.ACCEPTED


def test_a_redirect_leaves_nothing_here(dovecot: Dovecot, postfix: Postfix, tmp_path: Path) -> None:
    """Redirected mail is missing here: every place was searched."""
    target = dovecot.add_user()
    account = dovecot.add_user(sieve=f'redirect "{target.address}";', relay=("127.0.0.1", postfix.port))
    seed = probe(tmp_path, dovecot, {"forwards": account})["forwards"]
    assert seed.placement.verdict is Verdict.MISSING
    assert len(target.messages()) == 1


def test_a_rule_that_rejects(dovecot: Dovecot, postfix: Postfix, tmp_path: Path) -> None:
    """A Sieve reject answers with a mail of its own to the envelope sender: bounced, in the owner's words."""
    sender = dovecot.add_user()
    account = dovecot.add_user(
        sieve='require "reject"; reject "Bitte nicht stören";', relay=("127.0.0.1", postfix.port)
    )
    stream = {
        "name": "reminder", "kind": "transactional", "from": sender.address, "subject": "Termin", "text": "Guten Tag",
    }  # fmt: skip
    probing = Probing(
        tmp_path, [lmtp_route(dovecot.lmtp_port)], [inbox_of(account, "rejects"), inbox_of(sender, "ours")],
        streams=[stream], timing={"timeout": "10s"},
    )  # fmt: skip
    seeds = probing.run()
    assert seeds["rejects"].placement.verdict is Verdict.BOUNCED, seeds["rejects"].placement
    assert seeds["ours"].placement.verdict is Verdict.INBOX
