"""Whole probes on PostgreSQL, where many machines share one store: alone, at once, killed and taken up again."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.collect.harness import STREAM, Delivering, Probing, fake_inbox, smtp_route
from tests.collect.test_crash import SECOND, scene
from tests.fakes.imap_server import FakeImap
from tests.servers.process import wait_until
from toolkit.model.placement import Verdict
from toolkit.store.engine import open_engine
from toolkit.store.schema import evidence, run, seed
from toolkit.store.seeds import SeedStore


def test_a_whole_probe(postgres_url: str, tmp_path: Path) -> None:
    """Sent, found, judged; run, seeds and their evidence are in the database as the report has them."""
    with FakeImap() as one, FakeImap() as two:
        boxes = {"one@faulty.example": one, "two@faulty.example": two}
        steps = {("RCPT", "two@faulty.example"): "550 5.1.1 unknown"}
        with Delivering(boxes, steps=steps) as route:
            probing = Probing(
                tmp_path, [smtp_route(route.port)], [fake_inbox(one, "one"), fake_inbox(two, "two")], url=postgres_url
            )
            seeds = probing.run()
    assert {name: found.placement.verdict for name, found in seeds.items()} == {
        "one": Verdict.INBOX, "two": Verdict.REFUSED,
    }  # fmt: skip
    engine = open_engine(postgres_url)
    with engine.connect() as connection:
        (row,) = connection.execute(run.select()).all()
        assert row.run_id == probing.runs[0].run_id
        assert row.finished_at >= row.started_at
        rows = {row.inbox: row for row in connection.execute(seed.select())}
        kinds = connection.execute(
            sa.select(evidence.c.kind).where(evidence.c.seed_id == seeds["one"].seed_id)
        ).scalars()
        assert Counter(kinds) >= Counter({"handoff": 1, "sighting": 1, "verdict": 1})
    engine.dispose()
    assert {name: (row.state, row.owner, row.report["placement"]["verdict"]) for name, row in rows.items()} == {
        "one": ("concluded", probing.runs[0].run_id, "inbox"), "two": ("concluded", probing.runs[0].run_id, "refused"),
    }  # fmt: skip


def test_a_second_probe_sends_anew(postgres_url: str, tmp_path: Path) -> None:
    """What an ended run has judged is history."""
    with FakeImap() as box, Delivering({"box@faulty.example": box}) as route:
        probing = Probing(tmp_path, [smtp_route(route.port)], [fake_inbox(box, "box")], url=postgres_url)
        first, second = probing.run()["box"], probing.run()["box"]
        assert len(route.transactions) == 2
    assert first.seed_id != second.seed_id
    assert first.placement.verdict is second.placement.verdict is Verdict.INBOX


def test_two_probes_at_once_share_their_work(postgres_url: str, tmp_path: Path) -> None:
    """Both report the same seeds, and each mailbox got one of each stream."""
    with scene(tmp_path, inboxes=3, streams=(STREAM, SECOND), url=postgres_url) as world:
        both = threading.Event()
        SeedStore.open(postgres_url).close()

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
    assert {verdict for _, verdict in shared[0]} == {"inbox"}
    assert len(arrived) == 6
    assert set(arrived.values()) == {1}


@pytest.mark.parametrize("moment", ["smtp MAIL", "smtp END answered"])
def test_killed_and_started_again(moment: str, postgres_url: str, tmp_path: Path) -> None:
    """As with SQLite: nothing is sent twice, and each seed gets its verdict."""
    with scene(tmp_path, url=postgres_url) as world:
        process = world.start()

        def strike(now: str) -> None:
            if now == moment:
                os.kill(process.pid, signal.SIGKILL)

        world.strike(strike)
        process.communicate(timeout=40)
        assert process.returncode == -signal.SIGKILL
        world.strike(lambda _moment: None)
        document = world.finish(world.start())
        arrived = world.arrived()
    doubts = [entry for entry in document["seeds"] if world.in_doubt(entry)]
    assert {entry["placement"]["verdict"] for entry in document["seeds"] if entry not in doubts} == {"inbox"}
    assert set(arrived.values()) == {1}
    assert len(arrived) + len(doubts) == 2
    assert len(doubts) <= 1  # the other seed may have been between its mark and its dot
    engine = open_engine(postgres_url)
    with engine.connect() as connection:
        states = connection.execute(sa.select(seed.c.state)).scalars().all()
        ended = connection.execute(sa.select(run.c.finished_at)).scalars().all()
    engine.dispose()
    assert states == ["concluded", "concluded"]
    assert len(ended) == 2
    assert None not in ended
