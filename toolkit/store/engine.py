"""Opening the database: its file made private, its schema brought up to date, its transactions as they must be."""

import os
import stat
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url

REVISION = "0001"
"""The migration that this code needs: the newest one."""

_MIGRATION_LOCK = 0x6D61696C776879  # an advisory lock's number on PostgreSQL


class StoreError(Exception):
    """The store cannot be used. The message says which one, why, and what to do; it holds no password."""


def open_engine(url: str) -> sa.Engine:
    """An engine on the store at `url`, its schema current. Raises StoreError.

    Connections take two execution options: `reading` for transactions that write nothing, and `hasty` for one whose
    commit need not wait for the disk. It survives the end of the process, but perhaps not a power cut (SQLite alone).
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError:
        raise StoreError("store: url: not a database URL; use sqlite:///mailwhy.db or postgresql+psycopg://…") from None
    shown = parsed.render_as_string(hide_password=True)
    try:
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _server(parsed)
        try:
            _upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
    except (sa.exc.SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        raise StoreError(f"the store {shown} cannot be used: {str(reason).strip()}") from error
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the store {shown} needs the package {error.name}: install mailwhy with its extra, mailwhy[postgres]"
        ) from None
    return engine


def _server(url: URL) -> sa.Engine:
    return sa.create_engine(url, pool_size=8, max_overflow=72, pool_pre_ping=True)


def _sqlite(url: URL) -> sa.Engine:
    if url.database and url.database != ":memory:":
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        # The file holds addresses: nobody else may read it. SQLite gives its own side files the same mode.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, stat.S_IRUSR | stat.S_IWUSR))
    engine = sa.create_engine(
        url, connect_args={"timeout": 60, "check_same_thread": False}, pool_size=8, max_overflow=72
    )

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # a seed that is on its way must survive a power cut
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("hasty") or connection.info.get("hasty"):
            connection.info["hasty"] = bool(options.get("hasty"))
            connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('hasty') else 'FULL'}")
        # A transaction that reads and then writes could not be retried if another wrote in between.
        connection.exec_driver_sql("BEGIN" if options.get("reading") else "BEGIN IMMEDIATE")

    return engine


def _current(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(engine: sa.Engine) -> None:
    with engine.connect().execution_options(reading=True) as connection:
        found = _current(connection)
    if found == REVISION:
        return
    if found is not None and found > REVISION:
        raise OSError(f"its schema is {found}, newer than this mailwhy knows ({REVISION}); update mailwhy")
    from alembic import command  # noqa: PLC0415 - a quarter of a second, and seldom needed
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    with engine.begin() as connection:  # one process migrates, the others wait here and find it done
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        if _current(connection) != REVISION:
            config = Config(attributes={"connection": connection})
            config.set_main_option("script_location", "toolkit.store:migrations")
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise OSError(f"its schema is {found}, which is none of mailwhy's ({error})") from error
