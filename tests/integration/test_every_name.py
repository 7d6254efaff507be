"""Every name that MySQL takes for a table or a column, through whole nights."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dental_etl.config import Settings
from dental_etl.report import RunReport
from dental_etl.run import TableStatus
from dental_etl.sandbox.state import Kind, Sandbox
from tests.comparison import differences, in_raw
from tests.families import missing
from tests.nights import Nights, quoted

TABLES = (
    "Patient", "patient", "PATIENT",
    "with space", "'quote'", '"double"', "back`tick", "per%cent", "per%scent", "%(name)s", "co:lon", ":a::b",
    "dot.ted", "semi;colon", "--comment", "/*c*/", "#hash", "slash/es", "back\\slash", "tab\tand\nline",
    "~", "?", "{x}", "${x}", "@at", "<b>&amp;", "..", "C:\\x",
    "select", "table", "user", "null", "true", "yes", "123", "1e5", "2020-01-01", "0x41",
    "ünïcödé", "日本語", "café", "cafe", "CAFE",
    "a" * 64, "b" * 63 + "c", "b" * 63 + "d", "é" * 62 + "x", "é" * 62 + "y", "日" * 49,
    "ctid", "oid", "pg_class", "_loaded_at", "_patient", "__patient",
    "zz", "zz_pkey", "etl_keys", "etl_rows", "etl_changed",
)  # fmt: skip
#: Together in one table; MySQL compares their names without case and without accents.
COLUMNS = (
    "Col", "with space", "'q'", '"d"', "b`t", "%", "%s", "%(x)s", ":c", ":a::b", "d.t", "back\\slash",
    "new\nline", "--", "/*", "@v", "select", "from", "order", "user", "null", "true", "excluded", "s", "r",
    "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid", "_loaded_at", "_run_id",
    "a" * 64, "b" * 63 + "c", "b" * 63 + "d", "é" * 64, "日" * 64, "etl_generation", "etl_old", "etl_row",
)  # fmt: skip
#: One table each, keyed by a column of that name and copied by its changes.
KEYS = ("%s", "`", '"', ":k", "ctid", "_run_id", "etl_generation", "select", "é" * 64, "new\nline", "\\")

AS_COLUMNS = {"columns": "int", "binary columns": "blob", "moments": "datetime"}
BY_CHANGES = tuple(f"keyed {number}" for number in range(len(KEYS)))
ALL = (*TABLES, *AS_COLUMNS, "a long key", *BY_CHANGES)


def _fill(nights: Nights, key_parts: int) -> None:
    for number, name in enumerate(TABLES):
        nights.execute(f"CREATE TABLE {quoted(name)} (id int PRIMARY KEY, v varchar(9), {quoted(name)} int)")
        nights.execute(f"INSERT INTO {quoted(name)} VALUES (1, 'x', {number}), (2, NULL, NULL)")
    for name, kind in AS_COLUMNS.items():
        columns = ", ".join(f"{quoted(column)} {kind}" for column in COLUMNS)
        nights.execute(f"CREATE TABLE {quoted(name)} (id int PRIMARY KEY, {columns})")
        nights.execute(f"INSERT INTO {quoted(name)} (id) VALUES (1)")
        nights.execute(f"UPDATE {quoted(name)} SET {', '.join(f'{quoted(c)} = 20200101' for c in COLUMNS)}")
    parts = [quoted(column) for column in COLUMNS[-1 - key_parts : -1]]
    nights.execute(
        f"CREATE TABLE `a long key` ({', '.join(f'{part} tinyint' for part in parts)}, v int, "
        f"PRIMARY KEY ({', '.join(parts)}))"
    )
    nights.execute(f"INSERT INTO `a long key` VALUES ({', '.join('1' for _ in parts)}, 1)")
    for name, key in zip(BY_CHANGES, KEYS, strict=True):
        nights.execute(
            f"CREATE TABLE {quoted(name)} ({quoted(key)} int AUTO_INCREMENT PRIMARY KEY, v varchar(9), b blob, "
            f"`st:%s` timestamp DEFAULT current_timestamp ON UPDATE current_timestamp) ENGINE=MyISAM"
        )
        nights.execute(f"INSERT INTO {quoted(name)} (v) VALUES ('x'), (NULL)")


def _change(nights: Nights) -> None:
    """Insert, update and delete in every table."""
    for name in (*TABLES, *BY_CHANGES):
        key = "id" if name in TABLES else KEYS[BY_CHANGES.index(name)]
        table, column = quoted(name), quoted(key)
        nights.execute(f"UPDATE {table} SET v = 'y' WHERE {column} = 1")
        nights.execute(f"DELETE FROM {table} WHERE {column} = 2")
        nights.execute(f"INSERT INTO {table} ({column}) VALUES (7)")
    for name in AS_COLUMNS:
        nights.execute(f"UPDATE {quoted(name)} SET {quoted('%s')} = 20210101, {quoted('日' * 64)} = NULL")
    nights.execute("UPDATE `a long key` SET `ctid` = 2, v = 2")


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("names"))


Story = Mapping[str, tuple[RunReport, frozenset[str]]]


@pytest.fixture(scope="module")
def story(nights: Nights, sandbox: Sandbox) -> Story:
    """Two nights with changes between them: reports, and tables that were not equal afterwards."""
    _fill(nights, key_parts=16 if missing(sandbox, Kind.MARIADB, "longer keys") else 32)
    first = nights.play()
    after_first = frozenset(one.table for one in differences(nights.settings))
    _change(nights)
    second = nights.play()
    after_second = frozenset(one.table for one in differences(nights.settings))
    return {"first": (first, after_first), "second": (second, after_second)}


@pytest.mark.parametrize("night", ["first", "second"])
@pytest.mark.parametrize("table", ALL, ids=ascii)
def test_a_table_arrives_whatever_it_is_called(story: Story, night: str, table: str) -> None:
    report, differing = story[night]
    status = next(one.status for one in report.tables if one.table == table)
    assert (status, table in differing) == (TableStatus.LOADED, False)


def test_the_replicas_hold_the_same_bytes(story: Story, nights: Nights) -> None:
    assert nights.differing_replicas() == []


def test_no_two_names_are_one_in_raw() -> None:
    assert len({in_raw(name) for name in (*ALL, *COLUMNS)}) == len({*ALL, *COLUMNS})


def test_tables_called_like_our_own_are_left_out_and_listed(nights: Nights) -> None:
    nights.execute("CREATE TABLE etl_copy_status (table_name varchar(64) PRIMARY KEY)")
    assert [one.partition(":")[0] for one in nights.analyze()] == ["etl_copy_status"]
