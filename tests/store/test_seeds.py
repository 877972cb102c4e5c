"""Seeds in the store: each kind once, each with one owner, and all that was seen kept as it was."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.store.samples import LONG_AGO, NOW, seed_of, together
from toolkit.model.placement import Placement, Unsearched, Verdict
from toolkit.store.process import ProcessId
from toolkit.store.schema import evidence, run, seed
from toolkit.store.seeds import LEASE, Observation, SeedStore, StoredSeed


def change_run(store: SeedStore, run_id: str, **values: Any) -> None:
    """Write into a run what the store would never write."""
    with store.engine.begin() as connection:
        connection.execute(run.update().where(run.c.run_id == run_id).values(**values))


def conclude(store: SeedStore, one: StoredSeed, owner: str) -> None:
    """Give a seed its verdict."""
    assert store.advance(one.seed_id, owner, state="concluded", report={"verdict": "inbox"}, concluded_at=NOW)


# -- rows -------------------------------------------------------------------------------------------------------------


def test_a_seed_comes_back_as_it_was_written(store: SeedStore) -> None:
    """Every column, the microseconds of its times and the signs of its texts; times are UTC and say so."""
    run_id = store.begin_run()
    berlin = timezone(timedelta(hours=1))
    written = seed_of(
        run_id, subject="Grüße 💇 \u202e", created_at=NOW.astimezone(berlin), deliver_within=None,
        sent_header="From: a\r\n b", handoff={"replies": [{"text": "ü"}], "none": None},
    )  # fmt: skip
    assert store.plan([written], since=LONG_AGO) == [written]
    (read,) = store.load([written.seed_id])
    assert read == written
    assert read.created_at.tzinfo == UTC
    assert read.created_at.utcoffset() == timedelta(0)
    assert read.created_at.hour == 8
    assert store.under_way() == [read]


def test_the_longest_names_that_a_configuration_may_have_fit(store: SeedStore) -> None:
    """A domain of 250 letters, names of 64, a folder with a name of 3,000: on PostgreSQL columns have an end."""
    domain = ".".join(["x" * 60] * 4)
    name = "n" * 64
    run_id = store.begin_run()
    one = seed_of(
        run_id, stream=name, route=name, inbox=name, provider=name, address="p" * 10 + "@" + domain,
        message_id=f"probe.20261122080000.{'0' * 16}@{domain}", envelope_sender="b" * 10 + "@" + domain,
        seed_id=f"20261122T080000Z-{name}-{name}-{name}-12345678",
    )  # fmt: skip
    store.plan([one], since=LONG_AGO)
    seen = Observation("dsn", f"{name}: " + "Ordner" * 500, NOW, {"raw": "\0\udc80"})
    assert store.advance(one.seed_id, run_id, [seen])
    assert store.evidence(one.seed_id) == [seen]


def test_a_time_without_a_zone_is_refused(store: SeedStore) -> None:
    """Nobody knows what it means."""
    run_id = store.begin_run()
    with pytest.raises(sa.exc.StatementError, match="without a zone"):
        store.plan([seed_of(run_id, created_at=datetime(2026, 11, 22, 8, 0))], since=LONG_AGO)  # noqa: DTZ001 - the point
    assert store.under_way() == []


# -- evidence ---------------------------------------------------------------------------------------------------------


def test_what_was_seen_is_kept_in_order_with_the_step(store: SeedStore) -> None:
    """Evidence and the seed's row change together; enumerations, times and values become plain JSON."""
    run_id = store.begin_run()
    one = seed_of(run_id)
    store.plan([one], since=LONG_AGO)
    placed = Placement(Verdict.UNREADABLE, unsearched=(Unsearched("Spam", "it cannot be opened"),), found_at=NOW)
    seen = [Observation("sighting", "box", NOW, {"n": 1}), Observation("verdict", "box", NOW, placed)]
    assert store.advance(one.seed_id, run_id, seen, state="watching", handoff={"at": NOW})
    found = store.evidence(one.seed_id)
    assert [(item.kind, item.source, item.observed_at) for item in found] == [
        ("sighting", "box", NOW), ("verdict", "box", NOW),
    ]  # fmt: skip
    assert found[1].data["unsearched"] == [{"folder": "Spam", "reason": "it cannot be opened"}]
    assert found[1].data["found_at"] == "2026-11-22T08:00:00.123Z"
    (row,) = store.load([one.seed_id])
    assert (row.state, row.handoff) == ("watching", {"at": "2026-11-22T08:00:00.123Z"})


def test_evidence_is_never_changed(store: SeedStore) -> None:
    """The database itself refuses an UPDATE; what a person asks to forget can be deleted, with its seed."""
    run_id = store.begin_run()
    one, other = seed_of(run_id), seed_of(run_id, inbox="other")
    store.plan([one, other], since=LONG_AGO)
    for each in (one, other):
        assert store.advance(each.seed_id, run_id, [Observation("sighting", "box", NOW, {"n": 1})])
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), store.engine.begin() as connection:
        connection.execute(evidence.update().values(kind="forged"))
    with store.engine.begin() as connection:
        connection.execute(seed.delete().where(seed.c.seed_id == one.seed_id))
    assert store.evidence(one.seed_id) == []
    assert [item.kind for item in store.evidence(other.seed_id)] == ["sighting"]


def test_a_step_that_fails_keeps_nothing(store: SeedStore) -> None:
    """Neither half of a step is there without the other."""
    run_id = store.begin_run()
    one = seed_of(run_id)
    store.plan([one], since=LONG_AGO)
    naive = NOW.replace(tzinfo=None)
    with pytest.raises(sa.exc.StatementError):
        store.advance(one.seed_id, run_id, [Observation("sighting", "box", naive, {})], state="watching")
    assert store.load([one.seed_id])[0].state == "planned"
    assert store.evidence(one.seed_id) == []


# -- owners -----------------------------------------------------------------------------------------------------------


def test_only_its_owner_can_move_a_seed(store: SeedStore) -> None:
    """A run that was taken for dead and wakes up changes nothing and leaves no evidence."""
    first, second = store.begin_run(), store.begin_run()
    one = seed_of(first)
    store.plan([one], since=LONG_AGO)
    assert store.take_over(one, second)
    assert not store.advance(one.seed_id, first, [Observation("sighting", "box", NOW, {})], state="watching")
    assert not store.take_over(one, second)  # it was planned for `first`, who has it no more
    assert store.evidence(one.seed_id) == []
    assert store.advance(one.seed_id, second, state="sending", attempts=2)
    (row,) = store.load([one.seed_id])
    assert (row.owner, row.origin, row.state, row.attempts) == (second, first, "sending", 2)


def test_a_verdict_is_final(store: SeedStore) -> None:
    """A concluded seed is moved by nobody, its owner included."""
    run_id = store.begin_run()
    one = seed_of(run_id)
    store.plan([one], since=LONG_AGO)
    conclude(store, one, run_id)
    assert not store.advance(one.seed_id, run_id, state="watching")
    assert not store.take_over(one, store.begin_run())
    assert store.load([one.seed_id])[0].state == "concluded"


def test_a_hasty_step_is_a_step(store: SeedStore) -> None:
    """It only does not wait for the disk."""
    run_id = store.begin_run()
    one = seed_of(run_id)
    store.plan([one], since=LONG_AGO)
    assert store.advance(one.seed_id, run_id, hasty=True, state="committed")
    assert not store.advance(one.seed_id, "another", hasty=True, state="planned")
    assert store.load([one.seed_id])[0].state == "committed"


def test_of_many_who_take_a_seed_over_one_gets_it(store: SeedStore) -> None:
    """Compare and set, from eight threads at once."""
    dead = store.begin_run()
    one = seed_of(dead)
    store.plan([one], since=LONG_AGO)
    heirs = [store.begin_run() for _ in range(8)]
    start = threading.Barrier(8)

    def take(heir: str) -> bool:
        start.wait()
        return store.take_over(one, heir)

    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(take, heirs))
    assert taken.count(True) == 1
    assert store.load([one.seed_id])[0].owner == heirs[taken.index(True)]


# -- planning ---------------------------------------------------------------------------------------------------------


def test_a_kind_that_is_under_way_is_shared(store: SeedStore) -> None:
    """The second run gets the seed of the first; when that run is done, a new one is planned."""
    first, second = store.begin_run(), store.begin_run()
    (one,) = store.plan([seed_of(first)], since=LONG_AGO)
    fresh = [seed_of(second), seed_of(second, inbox="other")]
    assert store.plan(fresh, since=LONG_AGO) == [one, fresh[1]]
    conclude(store, one, first)
    again = seed_of(second)
    assert [got.seed_id for got in store.plan([again], since=LONG_AGO)] == [one.seed_id]  # `first` is still at work
    store.finish_run(first)
    assert store.plan([again], since=LONG_AGO) == [again]


def test_what_was_judged_too_long_ago_is_sent_again(store: SeedStore) -> None:
    """A run that was cut off yesterday is no news today."""
    first, second = store.begin_run(), store.begin_run()
    (one,) = store.plan([seed_of(first)], since=LONG_AGO)
    conclude(store, one, first)
    again = seed_of(second)
    assert store.plan([again], since=NOW + timedelta(seconds=1)) == [again]


def test_the_database_holds_one_open_seed_of_a_kind(store: SeedStore) -> None:
    """Even past the store's own look."""
    run_id = store.begin_run()
    store.plan([seed_of(run_id)], since=LONG_AGO)
    twin = {column: getattr(seed_of(run_id), column) for column in seed.c.keys()}  # noqa: SIM118 - a collection of columns
    with pytest.raises(sa.exc.IntegrityError), store.engine.begin() as connection:
        connection.execute(seed.insert(), [twin])


def test_threads_that_plan_the_same_kinds_share_them(store: SeedStore) -> None:
    """Eight runs at once, half of them with their inboxes in the other order: nobody fails, nothing is doubled."""
    boxes = [f"box{number}" for number in range(12)]
    runs = [store.begin_run() for _ in range(8)]
    start = threading.Barrier(8)

    def plan(number: int) -> set[tuple[str, str]]:
        order = boxes if number % 2 else boxes[::-1]
        wanted = [seed_of(runs[number], inbox=box) for box in order]
        start.wait()
        planned = store.plan(wanted, since=LONG_AGO)
        assert [one.inbox for one in planned] == order
        return {(one.inbox, one.seed_id) for one in planned}

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(plan, range(8)))
    assert all(result == results[0] for result in results)
    assert len(store.under_way()) == 12


_PLAN = """
from tests.store.samples import LONG_AGO, seed_of
from toolkit.store.seeds import SeedStore
import uuid
def work(number, url):
    store = SeedStore.open(url)
    run_id = store.begin_run()
    boxes = [f"box{n}" for n in range(20)]
    wanted = []
    for box in boxes if number % 2 else boxes[::-1]:
        mark = uuid.uuid4().hex
        one = seed_of(run_id, inbox=box, seed_id=mark, token=mark, message_id=mark)
        wanted.append(one)
    planned = store.plan(wanted, since=LONG_AGO)
    store.close()
    return " ".join(sorted(one.seed_id for one in planned))
"""


def test_processes_that_plan_the_same_kinds_share_them(url: str, tmp_path: Path) -> None:
    """As threads do: four processes, twenty inboxes, one seed for each."""
    SeedStore.open(url).close()
    results = together(_PLAN, tmp_path, url)
    assert len(set(results)) == 1
    assert len(results[0].split()) == 20


# -- which run lives --------------------------------------------------------------------------------------------------


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        """The time that was set."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Stands still at NOW."""
    return Clock()


def test_a_run_lives_until_it_ends(url: str, clock: Clock) -> None:
    """This process runs: its run lives as long as it beats. It may finish, or leave early for another to go on."""
    store = SeedStore.open(url, clock=clock)
    finished, left, silent = (store.begin_run() for _ in range(3))
    assert not any(store.is_over(one) for one in (finished, left, silent))
    store.finish_run(finished)
    store.leave_run(left)
    assert (store.is_over(finished), store.is_over(left), store.is_over(silent)) == (True, True, False)
    assert store.is_over("never heard of")
    clock.now += LEASE + timedelta(seconds=1)
    assert store.is_over(silent)
    store.heartbeat(silent)
    assert not store.is_over(silent)
    store.close()


@pytest.mark.parametrize(
    ("change", "over"),
    [
        ({}, False),
        ({"pid_started": "1"}, True),  # its number belongs to a later process
        ({"pid": 2**22 + 1, "pid_started": "1"}, True),  # no process has so high a number
        ({"boot": "another/pid:[1]"}, True),  # the machine was restarted
        ({"host": "elsewhere"}, False),  # nobody here can tell: its lease counts
        ({"host": "elsewhere", "pid": 2**22 + 1}, False),
        ({"boot": ""}, False),  # a system that does not tell
    ],
)
def test_a_dead_process_is_known_at_once_on_this_machine_alone(
    change: dict[str, Any], over: bool, url: str, clock: Clock
) -> None:
    """By number, start and boot; from another machine, or where nothing is known, only the lease tells."""
    store = SeedStore.open(url, clock=clock)
    run_id = store.begin_run()
    if change:
        change_run(store, run_id, **change)
    assert store.is_over(run_id) is over
    clock.now += LEASE - timedelta(seconds=1)
    assert store.is_over(run_id) is over
    clock.now += timedelta(seconds=2)
    assert store.is_over(run_id)
    store.close()


def test_what_a_dead_run_has_judged_is_inherited(url: str, clock: Clock) -> None:
    """It becomes part of the new run, and the dead run is ended; a living run keeps what is its own."""
    store = SeedStore.open(url, clock=clock)
    dead, alive, heir = (store.begin_run() for _ in range(3))
    judged, open_, living = seed_of(dead), seed_of(dead, inbox="open"), seed_of(alive, inbox="living")
    store.plan([judged, open_, living], since=LONG_AGO)
    conclude(store, judged, dead)
    conclude(store, living, alive)
    change_run(store, dead, pid_started="1")
    store.inherit(store.load([judged.seed_id, open_.seed_id, living.seed_id]), heir)
    owners = {one.inbox: one.owner for one in store.load([judged.seed_id, open_.seed_id, living.seed_id])}
    assert owners == {"box": heir, "open": dead, "living": alive}
    with store.engine.connect() as connection:
        ended = connection.execute(sa.select(run.c.run_id).where(run.c.finished_at.is_not(None))).scalars().all()
    assert ended == [dead]
    fresh = [seed_of(heir), seed_of(heir, inbox="living")]
    assert [one.seed_id for one in store.plan(fresh, since=LONG_AGO)] == [judged.seed_id, living.seed_id]
    store.close()


def test_a_power_cut_is_told_from_a_killed_process(store: SeedStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written hastily can only be lost with the machine, and never in PostgreSQL."""
    run_id = store.begin_run()
    assert not store.power_was_cut(run_id)
    on_sqlite = store.engine.dialect.name == "sqlite"
    here: Callable[[], ProcessId]
    for boot, cut in (("other-boot/pid:[1]", True), ("same-boot/pid:[2]", False)):
        change_run(store, run_id, boot="same-boot/pid:[1]")
        here = lambda boot=boot: ProcessId("host", boot, 1, "1")  # noqa: E731 - one line says it
        monkeypatch.setattr("toolkit.store.seeds.this_process", here)
        assert store.power_was_cut(run_id) is (cut and on_sqlite)
    change_run(store, run_id, boot="")
    assert store.power_was_cut(run_id) is on_sqlite
