"""Killed at any moment and started again: nothing is sent twice, nothing is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.collect.harness import STREAM, Delivering, fake_inbox, smtp_route
from tests.fakes.imap_grammar import Token
from tests.fakes.imap_server import FakeImap, Session
from tests.fakes.server import Wire
from tests.servers.process import wait_until
from tests.toml import to_toml
from toolkit.store.engine import open_engine
from toolkit.store.schema import run, seed

SECOND = {**STREAM, "name": "confirmation", "subject": "Ihre Buchung"}
Strike = Callable[[str], None]


class Watched(FakeImap):
    """Tells of every command before it answers."""

    strike: Strike = staticmethod(lambda _moment: None)

    async def execute(self, session: Session, tag: str, name: str, arguments: list[Token]) -> None:
        """As FakeImap."""
        self.strike(f"imap {name}")
        await super().execute(session, tag, name, arguments)


class WatchedRoute(Delivering):
    """Tells of every phase, before it is answered and, of the end, after it too."""

    strike: Strike = staticmethod(lambda _moment: None)

    async def answer(self, wire: Wire, phase: str, *more: Any, **details: Any) -> str:
        """As Delivering."""
        self.strike(f"smtp {phase}")
        reply = await super().answer(wire, phase, *more, **details)
        self.strike(f"smtp {phase} answered")
        return reply


@dataclass
class Scene:
    """A route, mailboxes, and a configuration that names them."""

    folder: Path
    route: WatchedRoute
    boxes: dict[str, Watched]
    url: str  # of the store

    def strike(self, strike: Strike) -> None:
        """Call this at every moment of SMTP and IMAP."""
        self.route.strike = strike
        for box in self.boxes.values():
            box.strike = strike

    def start(self) -> subprocess.Popen[bytes]:
        """`mailwhy probe` as a process of its own."""
        command = [sys.executable, "-m", "jobs.cli", "probe", "--json", "-c", str(self.folder / "config.toml")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def finish(self, process: subprocess.Popen[bytes]) -> dict[str, Any]:
        """Its document, once it has ended well.

        A process that dies in the moment between its note that the final dot leaves now and the dot itself leaves a
        seed in doubt, which is never sent again: then it ends with 1, and says of which seed.
        """
        out, err = process.communicate(timeout=40)
        document: dict[str, Any] = json.loads(out)
        doubts = [entry for entry in document["seeds"] if self.in_doubt(entry)]
        assert process.returncode == (1 if doubts else 0), err.decode()
        return document

    @staticmethod
    def in_doubt(entry: dict[str, Any]) -> bool:
        """Whether a seed's verdict is that nobody knows whether it was ever taken."""
        return entry["placement"]["verdict"] == "unreadable" and "not known" in entry["placement"]["reason"]

    def runs(self, *, finished: bool = False) -> int:
        """How many probes have begun, or have done all that they began."""
        query = sa.select(sa.func.count()).select_from(run)
        engine = open_engine(self.url)
        try:
            with engine.connect() as connection:
                done = query.where(run.c.finished_at.is_not(None), run.c.finished_at != run.c.heartbeat_at)
                return int(connection.execute(done if finished else query).scalar_one())
        finally:
            engine.dispose()

    def doubts(self) -> int:
        """How many seeds ended in doubt, by what the store keeps of them."""
        engine = open_engine(self.url)
        try:
            with engine.connect() as connection:
                reports = connection.execute(sa.select(seed.c.report).where(seed.c.concluded_at.is_not(None))).scalars()
                return sum(self.in_doubt(report) for report in reports)
        finally:
            engine.dispose()

    def arrived(self) -> Counter[tuple[str, str]]:
        """How many messages of each subject lie in each inbox."""
        found: Counter[tuple[str, str]] = Counter()
        for address, box in self.boxes.items():
            for message in box.folder("INBOX").messages:
                subject = next(line for line in message.content.split(b"\r\n") if line.startswith(b"Subject:"))
                found[(address.partition("@")[0], subject.decode())] += 1
        return found


@contextmanager
def scene(
    folder: Path,
    inboxes: int = 2,
    streams: Sequence[dict[str, object]] = (STREAM,),
    url: str = "",
    timeout: str = "15s",
) -> Iterator[Scene]:
    """Everything running; the store is a file of the folder's where no other `url` is given."""
    url = url or f"sqlite:///{folder}/store.db"
    with ExitStack() as stack:
        boxes = {f"box{n}@faulty.example": stack.enter_context(Watched()) for n in range(inboxes)}
        route = stack.enter_context(WatchedRoute(dict(boxes)))
        config = {
            "store": {"url": url},
            "stream": list(streams),
            "route": [smtp_route(route.port)],
            "inbox": [fake_inbox(box, address.partition("@")[0]) for address, box in boxes.items()],
            "probe": {"timeout": timeout, "poll": "100ms", "settle": "100ms"},
        }
        (folder / "config.toml").write_text(to_toml(config))
        yield Scene(folder, route, boxes, url)


MOMENTS = [
    "imap LOGIN", "imap LIST", "smtp GREETING", "smtp EHLO", "smtp MAIL", "smtp RCPT", "smtp RCPT answered",
    "smtp DATA", "smtp DATA answered", "smtp END", "smtp END answered", "imap IDLE", "imap EXAMINE", "imap UID FETCH",
]  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_a_moment_and_started_again(moment: str, tmp_path: Path) -> None:
    """Whatever it was doing, each mailbox ends up with one seed, and each seed with its verdict."""
    with scene(tmp_path) as world:
        process = world.start()

        def strike(now: str) -> None:
            if now == moment:
                os.kill(process.pid, signal.SIGKILL)

        world.strike(strike)
        process.communicate(timeout=40)
        assert process.returncode == -signal.SIGKILL
        world.strike(lambda _moment: None)
        document = world.finish(world.start())
    doubts = [entry for entry in document["seeds"] if world.in_doubt(entry)]
    assert {entry["placement"]["verdict"] for entry in document["seeds"] if entry not in doubts} <= {"inbox"}
    assert set(world.arrived().values()) == {1}
    assert len(world.arrived()) + len(doubts) == 2
    # The other seed may be between its note and its dot just then. Nothing that did leave may ever stay in doubt.
    assert len(doubts) <= 1
    assert not any(
        doubt["message_id"].encode() in sent.content for doubt in doubts for sent in world.route.transactions
    )
    with open_engine(f"sqlite:///{tmp_path}/store.db").connect() as connection:
        rows = connection.execute(sa.select(seed.c.inbox, seed.c.state)).all()
    assert sorted(rows) == [("box0", "concluded"), ("box1", "concluded")]


@pytest.mark.timeout(180)  # a seed in doubt is looked for until its time is up
def test_killed_again_and_again(tmp_path: Path) -> None:
    """At random moments, until one run ends: one message of each stream in each mailbox, however often it died."""
    rng = random.Random(20261118)
    # Longer than all these runs together: what was judged too long ago would be measured anew.
    with scene(tmp_path, inboxes=3, streams=(STREAM, SECOND), timeout="40s") as world:
        for _ in range(8):
            process = world.start()
            left = rng.randint(1, 60)  # moments until it dies

            def strike(_now: str, process: subprocess.Popen[bytes] = process) -> None:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(process.pid, signal.SIGKILL)

            world.strike(strike)
            process.wait(timeout=40)
            process.communicate()
            if world.runs(finished=True):
                break  # it came to its end, if only to be killed on the way out: one more would begin anew
        else:
            world.strike(lambda _moment: None)
            world.start().communicate(timeout=90)
        doubts = world.doubts()
    ids = Counter(message.content.partition(b"Message-ID: ")[2][:60] for message in world.route.transactions)
    assert set(ids.values()) == {1}
    assert set(world.arrived().values()) == {1}
    assert len(world.arrived()) + doubts == 6


def test_two_probes_at_once_share_their_work(tmp_path: Path) -> None:
    """Both report the same seeds, and each mailbox got one."""
    with scene(tmp_path, inboxes=3, streams=(STREAM, SECOND)) as world:
        both = threading.Event()

        def strike(moment: str) -> None:
            """The first message waits at the door until both probes have begun."""
            if moment == "smtp DATA" and not both.is_set():
                wait_until(lambda: world.runs() == 2, seconds=20, what="the second probe")
                both.set()

        world.strike(strike)
        first, second = world.start(), world.start()
        documents = [world.finish(first), world.finish(second)]
        arrived = world.arrived()
    shared = [sorted((entry["seed_id"], entry["placement"]["verdict"]) for entry in one["seeds"]) for one in documents]
    assert shared[0] == shared[1]
    assert len(arrived) == 6
    assert set(arrived.values()) == {1}


def test_a_polite_end(tmp_path: Path) -> None:
    """SIGTERM: it leaves soon with 1, tells what is open, and the next probe takes that up."""
    with scene(tmp_path) as world:
        process = world.start()

        def strike(now: str) -> None:
            if now == "smtp END":
                os.kill(process.pid, signal.SIGTERM)

        world.strike(strike)
        out, _ = process.communicate(timeout=40)
        assert process.returncode == 1
        assert any("still open" in note for note in json.loads(out)["notes"])
        world.strike(lambda _moment: None)
        document = world.finish(world.start())
        arrived = world.arrived()
    assert set(arrived.values()) == {1}
    assert len(arrived) == 2
    assert any(entry["resumed"] for entry in document["seeds"])
