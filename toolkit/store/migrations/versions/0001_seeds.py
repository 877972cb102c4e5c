"""Runs, seeds and their evidence."""

import sqlalchemy as sa
from alembic import op

from toolkit.store.schema import UtcDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("run_id", sa.String(64), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("heartbeat_at", UtcDateTime, nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("boot", sa.String(64), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("pid_started", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_run"),
    )
    op.create_table(
        "seed",
        sa.Column("seed_id", sa.String(255), nullable=False),
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("route", sa.String(64), nullable=False),
        sa.Column("inbox", sa.String(64), nullable=False),
        sa.Column("provider", sa.String(64), nullable=False),
        sa.Column("address", sa.String(320), nullable=False),
        sa.Column("message_id", sa.String(320), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("envelope_sender", sa.String(320), nullable=False),
        sa.Column("deliver_within", sa.Float),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("deadline", UtcDateTime, nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("sent_header", sa.Text),
        sa.Column("handoff", sa.JSON),
        sa.Column("sighting", sa.JSON),
        sa.Column("report", sa.JSON),
        sa.Column("concluded_at", UtcDateTime),
        sa.PrimaryKeyConstraint("seed_id", name="pk_seed"),
        sa.UniqueConstraint("message_id", name="uq_seed_message_id"),
        sa.UniqueConstraint("token", name="uq_seed_token"),
        sa.ForeignKeyConstraint(["owner"], ["run.run_id"], name="fk_seed_owner_run"),
        sa.ForeignKeyConstraint(["origin"], ["run.run_id"], name="fk_seed_origin_run"),
    )
    op.create_index(
        "one_open_seed",
        "seed",
        ["stream", "route", "inbox"],
        unique=True,
        sqlite_where=sa.text("concluded_at IS NULL"),
        postgresql_where=sa.text("concluded_at IS NULL"),
    )
    op.create_index("seed_by_time", "seed", ["created_at"])
    op.create_table(
        "evidence",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), autoincrement=True, nullable=False),
        sa.Column("seed_id", sa.String(255)),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("observed_at", UtcDateTime, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_evidence"),
        sa.ForeignKeyConstraint(["seed_id"], ["seed.seed_id"], name="fk_evidence_seed_id_seed", ondelete="CASCADE"),
    )
    op.create_index("evidence_of_seed", "evidence", ["seed_id", "id"])
    # What was seen is never changed. It may be deleted: people can ask for that.
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE TRIGGER evidence_append_only BEFORE UPDATE ON evidence "
            "BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END"
        )
    else:
        op.execute(
            "CREATE FUNCTION evidence_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'evidence is append-only'; END $$"
        )
        op.execute(
            "CREATE TRIGGER evidence_append_only BEFORE UPDATE ON evidence "
            "FOR EACH ROW EXECUTE FUNCTION evidence_append_only()"
        )


def downgrade() -> None:
    op.drop_table("evidence")
    op.drop_table("seed")
    op.drop_table("run")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION evidence_append_only()")
