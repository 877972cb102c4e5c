"""Opening a store: private, current, shared by processes, and a clear word where it cannot be used."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from tests.store.samples import seed_of, together
from toolkit.store.engine import REVISION, StoreError, open_engine
from toolkit.store.schema import metadata
from toolkit.store.seeds import SeedStore


def test_the_migrations_make_what_the_code_expects(url: str) -> None:
    """From an empty database to every table, column, type, key and index of the schema, and nothing else."""
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert context.get_current_revision() == REVISION
        indexes = {index["name"]: index for index in sa.inspect(connection).get_indexes("seed")}
        options = indexes["one_open_seed"]["dialect_options"]
        where = options[f"{connection.dialect.name}_where"]
        assert str(where).strip("()") == "concluded_at IS NULL"  # alembic does not compare this
        assert indexes["one_open_seed"]["unique"]
    engine.dispose()


def test_the_code_needs_the_newest_migration() -> None:
    """Who adds a migration must say so in the engine, or it would never run."""
    config = Config()
    config.set_main_option("script_location", "toolkit.store:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_store_is_opened_again_as_it_was_left(url: str) -> None:
    """What is there stays there; opening it again changes nothing."""
    first = SeedStore.open(url)
    run_id = first.begin_run()
    first.plan([seed_of(run_id)], since=seed_of(run_id).created_at)
    before = first.under_way()
    first.close()
    second = SeedStore.open(url)
    assert second.under_way() == before
    second.close()


_OPEN = """
from toolkit.store.seeds import SeedStore
def work(number, url):
    store = SeedStore.open(url)
    run_id = store.begin_run()
    store.finish_run(run_id)
    store.close()
    return run_id
"""


def test_processes_may_open_a_fresh_store_at_once(url: str, tmp_path: Path) -> None:
    """One makes the tables, the others wait for it; each can write at once."""
    runs = together(_OPEN, tmp_path, url)
    engine = open_engine(url)
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT run_id FROM run")).scalars().all()
        versions = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all()
    engine.dispose()
    assert sorted(found) == sorted(runs)
    assert len(set(runs)) == 4
    assert versions == [REVISION]


@pytest.mark.parametrize(
    ("version", "words"), [("0002", "newer than this mailwhy.*update"), ("0000", "none of mailwhy")]
)
def test_a_schema_that_is_not_ours_is_left_alone(url: str, version: str, words: str) -> None:
    """A store that a newer mailwhy has made, or something else: refused with what to do, and untouched."""
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :it"), {"it": version})
    with pytest.raises(StoreError, match=words):
        open_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == version
    engine.dispose()


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    """It holds addresses: mode 600, SQLite's own side files too, whatever the umask is."""
    path = tmp_path / "deep" / "er" / "store.db"
    code = (
        "import os; os.umask(0)\n"
        "from toolkit.store.seeds import SeedStore\n"
        f"store = SeedStore.open('sqlite:///{path}'); store.begin_run()\n"
        f"folder = {str(path.parent)!r}\n"
        "print(sorted(name + oct(os.stat(f'{folder}/{name}').st_mode) for name in os.listdir(folder)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30).stdout
    private = oct(stat.S_IFREG | 0o600)
    assert out.strip() == str([f"store.db{end}{private}" for end in ("-shm", "-wal", "")])


def test_a_seed_survives_a_power_cut(tmp_path: Path) -> None:
    """Every commit waits for the disk, but one that is asked not to; the next waits again."""
    engine = open_engine(f"sqlite:///{tmp_path}/store.db")

    def level(**options: bool) -> tuple[str, int]:
        with engine.connect().execution_options(**options) as connection, connection.begin():
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            return str(mode), int(connection.exec_driver_sql("PRAGMA synchronous").scalar() or 0)

    full, normal = 2, 1
    assert [level(), level(hasty=True), level(), level(reading=True)] == [
        ("wal", full), ("wal", normal), ("wal", full), ("wal", full),
    ]  # fmt: skip
    engine.dispose()


# -- what cannot be opened ---------------------------------------------------------------------------------------------


def test_what_is_no_database_url() -> None:
    """The error says how one is written, and does not repeat what may hold a password."""
    with pytest.raises(StoreError, match=r"not a database URL; use sqlite:///mailwhy\.db") as caught:
        open_engine("geheim@somewhere")
    assert "geheim" not in str(caught.value)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """Named, and not written to."""
    path = tmp_path / "letter.db"
    path.write_text("Dear reader, this is a letter. " * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"letter\.db cannot be used: file is not a database"):
        open_engine(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize("place", ["file.txt/store.db", "."])
def test_a_place_that_takes_no_file(place: str, tmp_path: Path) -> None:
    """Below a file, or a folder itself: the path and the system's reason."""
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(StoreError, match=r"cannot be used: .*(exists|Is a directory|Not a directory)"):
        open_engine(f"sqlite:///{tmp_path}/{place}")


def test_a_database_server_that_does_not_answer_shows_no_password() -> None:
    """Host and reason, the password as three stars, in the error and in what it came from."""
    with pytest.raises(StoreError, match=r"u:\*\*\*@127\.0\.0\.1:1/x cannot be used: .*refused") as caught:
        open_engine("postgresql+psycopg://u:geheim@127.0.0.1:1/x")
    assert "geheim" not in str(caught.value)
    assert "geheim" not in str(caught.value.__cause__)


def test_a_driver_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that is missing, and the extra that brings it."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"needs the package psycopg: install .*mailwhy\[postgres\]") as caught:
        open_engine("postgresql+psycopg://u:geheim@127.0.0.1/x")
    assert "geheim" not in str(caught.value)


@pytest.mark.servers
def test_a_database_that_does_not_exist(postgres_url: str) -> None:
    """The server's own words."""
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        open_engine(postgres_url.rpartition("/")[0] + "/nowhere")
