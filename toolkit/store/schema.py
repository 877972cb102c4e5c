"""The tables. Alembic's migrations make them; a test holds both to each other.

Times are UTC. What was seen is written once into `evidence` and never changed: the row of a seed says where it
stands, its evidence says why.
"""

from datetime import UTC, datetime

import sqlalchemy as sa


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware time, kept as UTC: SQLite has no zones of its own."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Refuses naive times: nobody knows what they mean."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

run = sa.Table(
    "run",
    metadata,
    sa.Column("run_id", sa.String(64), primary_key=True),
    sa.Column("started_at", UtcDateTime, nullable=False),
    sa.Column("finished_at", UtcDateTime),
    sa.Column("heartbeat_at", UtcDateTime, nullable=False),
    # Which process it is, to tell at once whether one on this machine still lives.
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("boot", sa.String(64), nullable=False),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("pid_started", sa.String(32), nullable=False),
)

seed = sa.Table(
    "seed",
    metadata,
    sa.Column("seed_id", sa.String(255), primary_key=True),
    sa.Column("stream", sa.String(64), nullable=False),
    sa.Column("route", sa.String(64), nullable=False),
    sa.Column("inbox", sa.String(64), nullable=False),
    sa.Column("provider", sa.String(64), nullable=False),
    sa.Column("address", sa.String(320), nullable=False),
    sa.Column("message_id", sa.String(320), nullable=False, unique=True),
    sa.Column("token", sa.String(32), nullable=False, unique=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("envelope_sender", sa.String(320), nullable=False),
    sa.Column("deliver_within", sa.Float),
    sa.Column("created_at", UtcDateTime, nullable=False),
    sa.Column("deadline", UtcDateTime, nullable=False),
    sa.Column("owner", sa.ForeignKey("run.run_id"), nullable=False),
    sa.Column("origin", sa.ForeignKey("run.run_id"), nullable=False),
    # planned, sending, committed (the final dot may be out), watching, concluded
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("sent_header", sa.Text),
    sa.Column("handoff", sa.JSON),
    sa.Column("sighting", sa.JSON),  # the best place it was seen in so far
    sa.Column("report", sa.JSON),  # the verdict and all that goes with it, once concluded
    sa.Column("concluded_at", UtcDateTime),
)

# At most one seed of a kind is under way: what makes two probes at once share their work.
sa.Index(
    "one_open_seed",
    seed.c.stream,
    seed.c.route,
    seed.c.inbox,
    unique=True,
    sqlite_where=seed.c.concluded_at.is_(None),
    postgresql_where=seed.c.concluded_at.is_(None),
)
sa.Index("seed_by_time", seed.c.created_at)

evidence = sa.Table(
    "evidence",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("seed_id", sa.ForeignKey("seed.seed_id", ondelete="CASCADE")),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("observed_at", UtcDateTime, nullable=False),
    sa.Column("source", sa.Text, nullable=False),  # a stranger's folder may have any name
    sa.Column("data", sa.JSON, nullable=False),
)
sa.Index("evidence_of_seed", evidence.c.seed_id, evidence.c.id)
