"""What a table costs that did not change: counted by the servers, so that a careless change is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from dental_etl.config import DatabaseSettings, Settings
from dental_etl.connections import connect, engine
from dental_etl.sandbox.state import Sandbox
from tests.nights import Nights

_TABLES = 6
#: Measured: 271 for tables that are compared; each was 25 more when every session was a new one.
_MOST_STATEMENTS = 290


@pytest.fixture
def nights(
    sandbox: Sandbox,
    sandbox_settings: Settings,
    tmp_path: Path,
    replication: Connection,
    analytics: Connection,
) -> Nights:
    """Some small tables, and two nights: one that copied, one that found nothing changed."""
    made = Nights(sandbox, sandbox_settings, tmp_path)
    for number in range(_TABLES):
        made.execute(f"CREATE TABLE small{number} (id int PRIMARY KEY, v varchar(9)) ENGINE=MyISAM")
        made.execute(f"INSERT INTO small{number} VALUES (1, 'x'), (2, NULL)")
    made.play()
    made.play()
    return made


def test_an_unchanged_table_costs_few_statements_and_no_connection(nights: Nights) -> None:
    before = _counters(nights.settings.replication)
    nights.play()
    after = _counters(nights.settings.replication)
    assert after["Questions"] - before["Questions"] <= _MOST_STATEMENTS
    assert after["Connections"] == before["Connections"]


def test_no_table_leaves_a_statement_of_its_own_behind(nights: Nights) -> None:
    """What SQLAlchemy compiles, it keeps: a statement that is never the same fills its cache."""
    before = _compiled(nights.settings)
    nights.play()
    assert _compiled(nights.settings) - before < _TABLES


def _counters(database: DatabaseSettings) -> dict[str, int]:
    statement = text("SHOW GLOBAL STATUS WHERE Variable_name IN ('Connections', 'Questions')")
    with connect(database) as connection:
        return {str(row[0]): int(str(row[1])) for row in connection.execute(statement)}


def _compiled(settings: Settings) -> int:
    engines = []
    for database in (settings.source, settings.replication, settings.analytics):
        with connect(database, is_dedicated=True) as dedicated:
            engines += [dedicated.engine, engine(database)]
    return sum(len(one._compiled_cache or ()) for one in engines)
