"""The test PostgreSQL gives every test a database of its own."""

from __future__ import annotations

import sqlalchemy as sa

from tests.servers.postgres import Postgres


def test_each_database_is_fresh_and_alone(postgres: Postgres, postgres_url: str) -> None:
    """A table in one is not in the next, and UTF-8 goes in and out."""
    other = postgres.create_database()
    engines = [sa.create_engine(url) for url in (postgres_url, other)]
    try:
        with engines[0].begin() as connection:
            connection.execute(sa.text("CREATE TABLE seeds (name text)"))
            connection.execute(sa.text("INSERT INTO seeds VALUES ('Grüße')"))
            assert connection.execute(sa.text("SELECT name FROM seeds")).scalar() == "Grüße"
        assert sa.inspect(engines[1]).get_table_names() == []
    finally:
        for engine in engines:
            engine.dispose()
        postgres.drop_database(other)


def test_a_database_is_dropped_under_whoever_is_still_connected(postgres: Postgres) -> None:
    """A test that leaks a connection does not break the next one."""
    url = postgres.create_database()
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("SELECT 1"))
        postgres.drop_database(url)
        connection.invalidate()
    engine.dispose()
