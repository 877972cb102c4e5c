"""Seeds in the store: written down before they are sent and after every step, each owned by one living run.

A step changes the row only where the run still owns it (compare and set), so that a run which was taken for dead can
do no harm when it wakes up. Everything seen goes into `evidence` in the same transaction.
"""

import dataclasses
import threading
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from toolkit.model.document import plain
from toolkit.store.engine import open_engine
from toolkit.store.process import ProcessId, has_died, this_process
from toolkit.store.schema import evidence, run, seed

LEASE = timedelta(seconds=30)
"""How long after its last sign of life a run on another machine is believed to live."""

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredSeed:
    """A row of `seed`."""

    seed_id: str
    stream: str
    route: str
    inbox: str
    provider: str
    address: str
    message_id: str
    token: str
    subject: str
    envelope_sender: str
    deliver_within: float | None
    created_at: datetime
    deadline: datetime
    owner: str
    origin: str
    state: str
    attempts: int = 0
    sent_header: str | None = None
    handoff: Json | None = None
    sighting: Json | None = None
    report: Json | None = None
    concluded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Something seen of a seed, to be kept for good."""

    kind: str  # handoff, sighting, dsn, trouble, verdict
    source: str  # which server or mailbox
    observed_at: datetime
    data: Any


def _now() -> datetime:
    return datetime.now(UTC)


class SeedStore:
    """The store as the probe sees it. Safe to use from many threads."""

    def __init__(self, engine: sa.Engine, *, clock: Callable[[], datetime] = _now) -> None:
        self.engine = engine
        self._clock = clock
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else nullcontext()

    @classmethod
    def open(cls, url: str, *, clock: Callable[[], datetime] = _now) -> "SeedStore":
        """Open the store at `url`. Raises StoreError."""
        return cls(open_engine(url), clock=clock)

    def close(self) -> None:
        """Let the connections go."""
        self.engine.dispose()

    # -- runs --------------------------------------------------------------------------------------------------

    def begin_run(self) -> str:
        """Write down that this process probes. Returns the run's id."""
        process, now = this_process(), self._clock()
        run_id = f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
        with self._writing() as connection:
            connection.execute(
                run.insert().values(
                    run_id=run_id,
                    started_at=now,
                    heartbeat_at=now,
                    host=process.host,
                    boot=process.boot,
                    pid=process.pid,
                    pid_started=process.started,
                )
            )
        return run_id

    def heartbeat(self, run_id: str) -> None:
        """A sign of life, due several times in each LEASE."""
        with self._writing() as connection:
            connection.execute(run.update().where(run.c.run_id == run_id).values(heartbeat_at=self._clock()))

    def finish_run(self, run_id: str) -> None:
        """The run has done all that it began."""
        with self._writing() as connection:
            connection.execute(run.update().where(run.c.run_id == run_id).values(finished_at=self._clock()))

    def leave_run(self, run_id: str) -> None:
        """The run ends before its time: the next one goes on with it."""
        with self._writing() as connection:
            connection.execute(run.update().where(run.c.run_id == run_id).values(heartbeat_at=_LONG_AGO))

    def is_over(self, run_id: str) -> bool:
        """Whether the run has ended, in whatever way."""
        with self._reading() as connection:
            row = connection.execute(run.select().where(run.c.run_id == run_id)).one_or_none()
        if row is None or row.finished_at is not None:
            return True
        if has_died(ProcessId(row.host, row.boot, row.pid, row.pid_started)):
            return True
        return bool(self._clock() - row.heartbeat_at > LEASE)

    def power_was_cut(self, run_id: str) -> bool:
        """Whether the machine may have gone down under this run, and with it the last of what it wrote hastily."""
        if self.engine.dialect.name != "sqlite":
            return False
        with self._reading() as connection:
            boot = connection.execute(sa.select(run.c.boot).where(run.c.run_id == run_id)).scalar()
        return not boot or boot.split("/")[0] != this_process().boot.split("/")[0]

    # -- seeds -------------------------------------------------------------------------------------------------

    def plan(self, wanted: Sequence[StoredSeed], *, since: datetime) -> list[StoredSeed]:
        """Write the seeds down, save those of whose kind (stream, route, inbox) there is one to share.

        Returns one seed for each wanted one, in order: itself; the one that is under way; or the one that a run which
        has not finished, since it is still at work or was cut off, has planned after `since` and judged already.
        """
        while (planned := self._plan(wanted, since)) is None:
            pass
        return planned

    def _plan(self, wanted: Sequence[StoredSeed], since: datetime) -> list[StoredSeed] | None:
        """As `plan`; None where another run was quicker, on a server that lets both look at once."""
        unfinished = sa.select(run.c.run_id).where(run.c.finished_at.is_(None))
        judged = seed.c.owner.in_(unfinished) & (seed.c.created_at >= since)
        with self._writing() as connection:
            # Newest last: it replaces what the same run may have judged before.
            query = seed.select().where(sa.or_(seed.c.concluded_at.is_(None), judged))
            rows = connection.execute(query.order_by(seed.c.created_at, seed.c.seed_id))
            there = {(row.stream, row.route, row.inbox): _stored(row) for row in rows}
            kept = [there.setdefault((one.stream, one.route, one.inbox), one) for one in wanted]
            fresh = [one for one, other in zip(wanted, kept, strict=True) if one is other]
            # Two runs that insert the same kinds in different orders would wait for each other.
            fresh.sort(key=lambda one: (one.stream, one.route, one.inbox))
            if fresh:
                try:
                    connection.execute(seed.insert(), [dataclasses.asdict(one) for one in fresh])
                except sa.exc.IntegrityError:
                    connection.rollback()
                    return None
        return kept

    def inherit(self, judged: Sequence[StoredSeed], run_id: str) -> None:
        """Make what a run that was cut off has judged part of this run, and end all such runs.

        If this run is cut off too, the one after it still knows what need not be sent again.
        """
        with self._reading() as connection:
            unfinished = connection.execute(sa.select(run.c.run_id).where(run.c.finished_at.is_(None))).scalars().all()
        dead = [one for one in unfinished if one != run_id and self.is_over(one)]
        if dead:
            mine = seed.c.seed_id.in_([one.seed_id for one in judged]) & seed.c.owner.in_(dead)
            with self._writing() as connection:
                connection.execute(seed.update().where(mine & seed.c.concluded_at.is_not(None)).values(owner=run_id))
                connection.execute(run.update().where(run.c.run_id.in_(dead)).values(finished_at=run.c.heartbeat_at))

    def under_way(self) -> list[StoredSeed]:
        """All seeds without a verdict, the oldest first."""
        with self._reading() as connection:
            query = seed.select().where(seed.c.concluded_at.is_(None)).order_by(seed.c.created_at, seed.c.seed_id)
            return [_stored(row) for row in connection.execute(query)]

    def load(self, seed_ids: Sequence[str]) -> list[StoredSeed]:
        """The named seeds that exist."""
        with self._reading() as connection:
            return [_stored(row) for row in connection.execute(seed.select().where(seed.c.seed_id.in_(seed_ids)))]

    def take_over(self, one: StoredSeed, run_id: str) -> bool:
        """Become the owner of a seed whose owner is gone. False where another run was quicker."""
        return self._change(one.seed_id, one.owner, {"owner": run_id}, ())

    def advance(
        self,
        seed_id: str,
        owner: str,
        seen: Sequence[Observation] = (),
        *,
        expected: Collection[str] = (),
        hasty: bool = False,
        **values: Any,
    ) -> bool:
        """Change columns of a seed that `owner` owns and that has no verdict; keep what was seen.

        `expected`: only from one of these states; none named means any. `hasty`: do not wait for the disk (see
        `open_engine`). Returns False, and changes and keeps nothing, where any of this does not hold.
        """
        columns = {key: plain(value) if _is_json(key) else value for key, value in values.items()}
        return self._change(seed_id, owner, columns, seen, expected=expected, hasty=hasty)

    def evidence(self, seed_id: str) -> list[Observation]:
        """All that was seen of a seed, in order."""
        with self._reading() as connection:
            rows = connection.execute(evidence.select().where(evidence.c.seed_id == seed_id).order_by(evidence.c.id))
            return [Observation(row.kind, row.source, row.observed_at, row.data) for row in rows]

    def _change(
        self,
        seed_id: str,
        owner: str,
        values: Json,
        seen: Sequence[Observation],
        *,
        expected: Collection[str] = (),
        hasty: bool = False,
    ) -> bool:
        with self._writing(hasty=hasty) as connection:
            mine = (seed.c.seed_id == seed_id) & (seed.c.owner == owner) & seed.c.concluded_at.is_(None)
            if expected:
                mine &= seed.c.state.in_(expected)
            if connection.execute(seed.update().where(mine).values({"owner": owner, **values})).rowcount != 1:
                return False
            if seen:
                connection.execute(
                    evidence.insert(),
                    [
                        {
                            "seed_id": seed_id,
                            "kind": one.kind,
                            "source": one.source,
                            "observed_at": one.observed_at,
                            "data": plain(one.data),
                        }
                        for one in seen
                    ],
                )
        return True

    @contextmanager
    def _writing(self, *, hasty: bool = False) -> Iterator[sa.Connection]:
        """A transaction. Threads queue for it here: SQLite would let them sleep and try again instead."""
        with self._turn, self.engine.connect().execution_options(hasty=hasty) as connection, connection.begin():
            yield connection

    def _reading(self) -> sa.Connection:
        return self.engine.connect().execution_options(reading=True)


def _is_json(column: str) -> bool:
    return isinstance(seed.c[column].type, sa.JSON)


def _stored(row: Any) -> StoredSeed:
    return StoredSeed(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name has the underscore
