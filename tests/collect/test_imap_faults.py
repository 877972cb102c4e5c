"""Mailboxes that go wrong: each gets its honest verdict in bounded time, and harms no other."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.collect.harness import STREAM, Delivering, Probing, fake_inbox, smtp_route
from tests.fakes import imap_faults
from tests.fakes.imap_server import CAPABILITIES, FakeImap, Folder
from tests.fakes.server import Wire
from tests.servers.ca import Certificates
from tests.toml import to_toml
from toolkit.model.placement import SeedReport, Verdict

TIMEOUT = 2.0  # of a probe, in seconds


def probe_beside_a_good_one(folder: Path, faulty: FakeImap, **more: object) -> tuple[SeedReport, SeedReport, float]:
    """The seeds of a faulty mailbox and of a good one in the same probe, and the seconds that it took."""
    with ExitStack() as stack:
        good = stack.enter_context(FakeImap())
        stack.enter_context(faulty)
        boxes = {"bad@faulty.example": faulty, "good@faulty.example": good}
        route = stack.enter_context(Delivering(boxes))
        inboxes = [fake_inbox(faulty, "bad", **more), fake_inbox(good, "good")]
        started = time.monotonic()
        seeds = Probing(folder, [smtp_route(route.port)], inboxes, timing={"timeout": f"{TIMEOUT}s"}).run()
        return seeds["bad"], seeds["good"], time.monotonic() - started


UNREADABLE: dict[str, tuple[Callable[[], FakeImap], str]] = {
    "never answers": (imap_faults.Silent, "did not answer in time"),
    "closes after the greeting": (imap_faults.ClosesAfterGreeting, "closed the connection"),
    "closes without a greeting": (imap_faults.Closes, "closed the connection"),
    "drops without a greeting": (lambda: imap_faults.Closes(reset=True), "closed the connection"),
    "greets with BYE": (imap_faults.SaysBye, "Too many connections"),
    "greets with BYE and no text": (lambda: imap_faults.SaysBye(text=None), "127.0.0.1"),
    "refuses the password": (imap_faults.RefusesLogin, "refuses the login"),
    "drips": (imap_faults.Drips, "did not answer in time"),
    "floods with lines": (imap_faults.FloodsLines, "sends more than it may"),
    "floods with folders": (imap_faults.FloodsFolders, "sends more than it may"),
    "sends an endless line": (imap_faults.EndlessLine, "sends"),
    "announces 10 GB": (imap_faults.EnormousLiteral, "announced"),
    "refuses LIST": (lambda: imap_faults.Refuses("LIST"), "refuses"),
    "hangs at LIST": (lambda: imap_faults.Silent(at="LIST"), "did not answer in time"),
    "closes at FETCH": (lambda: imap_faults.Closes(at="UID FETCH"), "closed the connection"),
    "BYE in mid-session": (lambda: imap_faults.SaysBye(at="LIST", text=None), "127.0.0.1"),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_mailbox_that_cannot_be_read_is_unreadable(fault: str, tmp_path: Path) -> None:
    """Never called missing; its reason says what happened; the other mailbox is read as if nothing were."""
    make, words = UNREADABLE[fault]
    bad, good, seconds = probe_beside_a_good_one(tmp_path, make())
    assert bad.placement.verdict is Verdict.UNREADABLE
    # A slow machine meets the end of its patience before the end of what it lets a server send.
    reasons = (words, "did not answer in time") if "more than" in words else (words,)
    assert any(one in (bad.placement.reason or "") for one in reasons), bad.placement.reason
    assert good.placement.verdict is Verdict.INBOX
    assert good.placement.seconds is not None
    assert good.placement.seconds < 1
    assert seconds < 2 * TIMEOUT + 10


def test_a_folder_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A seed that is nowhere else might lie in the folder that refuses: unreadable, and which folder."""
    faulty = imap_faults.Refuses("EXAMINE", folder="Spamverdacht")
    with FakeImap() as elsewhere, faulty, Delivering({"bad@faulty.example": elsewhere}) as route:
        seed = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(faulty, "bad")]).run()["bad"]
    assert seed.placement.verdict is Verdict.UNREADABLE
    assert [one.folder for one in seed.placement.unsearched] == ["Spamverdacht"]
    assert "INBOX" in seed.placement.searched
    assert "Spamverdacht" in (seed.placement.reason or "")


def test_a_folder_that_tells_no_status_is_searched_all_the_same(tmp_path: Path) -> None:
    """STATUS refused for one folder: the seed in another one is found, and nothing is called unreadable."""
    bad, _, _ = probe_beside_a_good_one(tmp_path, imap_faults.Refuses("STATUS", folder="Spamverdacht"))
    assert bad.placement.verdict is Verdict.INBOX


def test_odd_lines_in_the_folder_list_cost_no_more_than_themselves(tmp_path: Path) -> None:
    """The seed in the inbox is found; one that is not there might be in a folder that no line names rightly."""
    bad, _, _ = probe_beside_a_good_one(tmp_path, imap_faults.OddListLines())
    assert bad.placement.verdict is Verdict.INBOX
    with (
        FakeImap() as elsewhere,
        imap_faults.OddListLines(["nothing at all"]) as faulty,
        Delivering({"bad@faulty.example": elsewhere}) as route,
    ):
        seed = Probing(tmp_path / "2", [smtp_route(route.port)], [fake_inbox(faulty, "bad")]).run()["bad"]
    assert seed.placement.verdict is Verdict.UNREADABLE
    assert "folder list" in (seed.placement.reason or "")


@pytest.mark.parametrize(
    "make",
    [
        imap_faults.DropsInFetch,
        imap_faults.BareOk,
        lambda: imap_faults.BareOk(space=True),
        imap_faults.IdleNeverStarts,
        imap_faults.IdleTellsNothing,
        imap_faults.ClockOff,
        imap_faults.SearchLags,
        lambda: FakeImap(capabilities=["IMAP4rev1"]),
        lambda: FakeImap(capabilities=[name for name in CAPABILITIES if name != "IDLE"]),
        lambda: FakeImap(pace=0.0005),
    ],
    ids=[
        "drops-in-fetch",
        "bare-ok",
        "bare-ok-blank",
        "idle-never",
        "idle-mute",
        "clock",
        "lag",
        "bare",
        "no-idle",
        "slow",
    ],
)
def test_a_server_with_quirks_is_read_all_the_same(make: Callable[[], FakeImap], tmp_path: Path) -> None:
    """A dropped connection is taken up again, and a strange clock does not enter the time to deliver."""
    bad, _, _ = probe_beside_a_good_one(tmp_path, make(), timeout="5s")
    assert bad.placement.verdict is Verdict.INBOX
    assert bad.placement.seconds is not None
    assert 0 <= bad.placement.seconds < 60


def test_a_certificate_that_does_not_verify(certificates: Certificates, tmp_path: Path) -> None:
    """Expired, for another name, or of an unknown authority: nothing is sent to that server, no password either."""
    for number, certificate in enumerate((certificates.expired, certificates.misnamed, certificates.foreign)):
        faulty = FakeImap(tls=certificate.context())
        secure = {"security": "tls", "ca_file": certificates.ca_file}
        bad, good, _ = probe_beside_a_good_one(tmp_path / str(number), faulty, **secure)
        assert bad.placement.verdict is Verdict.UNREADABLE
        assert "does not verify" in (bad.placement.reason or "")
        assert good.placement.verdict is Verdict.INBOX
        assert faulty.log == []


def test_a_wrong_password_is_not_tried_again_and_again(tmp_path: Path) -> None:
    """Providers lock accounts that fail to log in too often."""
    faulty = imap_faults.RefusesLogin()
    bad, _, seconds = probe_beside_a_good_one(tmp_path, faulty)
    assert bad.placement.verdict is Verdict.UNREADABLE
    assert sum(line.startswith("LOGIN") for line in faulty.log) <= 2
    assert seconds < TIMEOUT


def test_hostile_mail_in_the_mailbox(tmp_path: Path) -> None:
    """Huge headers, broken MIME, NULs and unknown charsets around the seed: it is found, and memory stays bounded."""
    faulty = FakeImap([Folder("INBOX"), Folder("Spam", ("\\Junk",))])
    box = faulty.folder("INBOX")
    hostile = [
        b"Message-ID: <" + b"x" * 3_000_000 + b">\r\n\r\nbody",
        b"Subject: =?no-such-charset?b?AAAA?=\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n\0\0\0",
        b"\r\n\r\nno header at all",
        b"Content-Type: multipart/report; report-type=delivery-status\r\nFrom: mailer-daemon@x\r\n\r\n"
        + b"A" * 5_000_000,
    ]

    class Arrives(Delivering):
        async def answer(self, wire: Wire, phase: str, *more: Any, **details: Any) -> str:
            if phase == "END":
                for content in hostile:
                    faulty.add("INBOX", content)
            return await super().answer(wire, phase, *more, **details)

    with faulty, Arrives({"bad@faulty.example": faulty}) as route:
        stream = {
            "name": "s", "kind": "transactional", "from": "bad@faulty.example", "subject": "x", "text": "y",
        }  # fmt: skip
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(faulty, "bad")], streams=[stream])
        seed = probing.run()["bad"]
    assert seed.placement.verdict is Verdict.INBOX
    assert len(box.messages) == len(hostile) + 1


# The peak of this process alone: what getrusage tells of a child includes the process that it was forked from.
MEASURED = """
import re, sys
from pathlib import Path
from jobs.cli import main
code = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
sys.exit(code)
"""


def test_enormous_mail_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A report of 50 MB and a header of 50 MB come with the seed: it is found, by a process that stays small."""
    faulty = FakeImap([Folder("INBOX"), Folder("Spam", ("\\Junk",))])
    enormous = [
        b"From: mailer-daemon@x.example\r\nContent-Type: multipart/report; boundary=b\r\n\r\n" + b"A" * 50_000_000,
        b"Message-ID: <" + b"x" * 50_000_000 + b">\r\n\r\nbody",
    ]

    class Arrives(Delivering):
        async def answer(self, wire: Wire, phase: str, *more: Any, **details: Any) -> str:
            if phase == "END":
                for content in enormous:
                    faulty.add("INBOX", content)
            return await super().answer(wire, phase, *more, **details)

    with faulty, Arrives({"bad@faulty.example": faulty}) as route:
        config = {
            "store": {"url": f"sqlite:///{tmp_path}/store.db"},
            "stream": [{**STREAM, "from": "bad@faulty.example"}],  # so that reports in this mailbox are read
            "route": [smtp_route(route.port)],
            "inbox": [fake_inbox(faulty, "bad", timeout="20s")],
            "probe": {"timeout": "20s", "poll": "100ms", "settle": "100ms"},
        }
        (tmp_path / "config.toml").write_text(to_toml(config))
        arguments = ["probe", "--json", "-c", str(tmp_path / "config.toml")]
        ended = subprocess.run([sys.executable, "-c", MEASURED, *arguments], capture_output=True, check=True)
    document = json.loads(ended.stdout)
    assert [seed["placement"]["verdict"] for seed in document["seeds"]] == ["inbox"]
    assert int(ended.stderr.split()[-1]) < 150_000  # KiB
