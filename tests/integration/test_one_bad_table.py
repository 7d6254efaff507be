"""Tables that cannot be copied: each says so by name, with a remedy, and costs no other table its night."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from dental_etl.config import Settings
from dental_etl.connections import connect
from dental_etl.report import Outcome, RunReport
from dental_etl.run import TableStatus
from dental_etl.sandbox.state import Sandbox
from tests.comparison import differences
from tests.nights import Nights

_WIDE = 900
#: Bad tables, and what their errors must name beside them.
BAD: Mapping[str, str] = {
    "damaged": "REPAIR TABLE",
    "rows of 16 KB": "exclude_columns in tables.overrides.yml",
    "2000 columns": "exclude_columns in tables.overrides.yml",
    "keys that differ by nothing": "correct the key in the source",
}
GOOD = ("before", "between", "after")
#: Tables with broken text, by the second word of their names: the bytes, and the rows to mend by column.
BROKEN: Mapping[str, tuple[str, dict[str, int]]] = {
    "frames": (
        "(1, x'61ff62', x'fffe'), (2, x'6f6b', x'6f6bc3'), (3, NULL, 'fine'), (4, x'fd', x'66fd')",
        {"a": 2, "b": 3},
    ),
    "letters": (
        (
            "(1, x'fd', NULL), (2, NULL, x'fd8181'), (3, x'c3', x'66fd'), (4, 'fine', x'c281'), "
            "(5, x'6681fd', NULL), (6, x'fd4e', x'5cfd')"
        ),
        {"a": 4, "b": 3},
    ),
}


def _fill(nights: Nights) -> None:
    for name in GOOD:
        nights.execute(f"CREATE TABLE `{name}` (id int PRIMARY KEY, v varchar(9))")
        nights.execute(f"INSERT INTO `{name}` VALUES (1, 'x'), (2, NULL)")
    _create_wide(nights, "rows of 16 KB", _WIDE, "varchar(60)", "repeat('x', 60)")
    _create_wide(nights, "2000 columns", 2000, "tinyint", "1")
    nights.execute("CREATE TABLE `keys that differ by nothing` (k varbinary(9) PRIMARY KEY)")
    nights.execute(
        "ALTER TABLE `keys that differ by nothing` MODIFY k varchar(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    )
    nights.execute("INSERT INTO `keys that differ by nothing` VALUES ('a'), (x'6100')")
    _damage(nights)
    _break_text(nights)


def _create_wide(nights: Nights, name: str, columns: int, kind: str, value: str) -> None:
    declared = ", ".join(f"c{number} {kind}" for number in range(columns))
    nights.execute(f"CREATE TABLE `{name}` ({declared}) ENGINE=MyISAM CHARACTER SET latin1")
    nights.execute(f"INSERT INTO `{name}` VALUES ({', '.join([value] * columns)})")


def _damage(nights: Nights) -> None:
    """Cut the file of a table short, as a full disk does."""
    nights.execute("CREATE TABLE damaged (id int, note text) ENGINE=MyISAM")
    nights.execute("INSERT INTO damaged VALUES (1, repeat('x', 9000)), (2, repeat('y', 9000))")
    nights.execute("FLUSH TABLES damaged")
    ((folder, database),) = nights.execute("SELECT @@datadir, DATABASE()")
    with (Path(folder) / database / "damaged.MYD").open("r+b") as file:
        file.truncate(100)


def _break_text(nights: Nights) -> None:
    """Put bytes into UTF-8 columns that no server takes: the file of a table in latin1, under another name."""
    ((folder, database),) = nights.execute("SELECT @@datadir, DATABASE()")
    columns = "id int PRIMARY KEY, a varchar({}) CHARACTER SET {}, b text CHARACTER SET {}"
    for name, (rows, _counted) in BROKEN.items():
        nights.execute(f"CREATE TABLE old ({columns.format(30, 'latin1', 'latin1')}) ENGINE=MyISAM")
        nights.execute(f"INSERT INTO old VALUES {rows}")
        nights.execute(f"CREATE TABLE `broken {name}` ({columns.format(10, 'utf8', 'utf8')}) ENGINE=MyISAM")
        nights.execute(f"FLUSH TABLES old, `broken {name}`")
        for ending in ("MYD", "MYI"):
            content = (Path(folder) / database / f"old.{ending}").read_bytes()
            (Path(folder) / database / f"broken@0020{name}.{ending}").write_bytes(content)
        nights.execute("FLUSH TABLES")
        nights.execute("DROP TABLE old")


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    made = Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("bad"))
    _fill(made)
    return made


@pytest.fixture(scope="module")
def report(nights: Nights) -> RunReport:
    return nights.play()


def test_the_night_failed(report: RunReport) -> None:
    assert report.outcome is Outcome.FAILED


@pytest.mark.parametrize("table", BAD)
def test_a_bad_table_is_named_with_what_to_do(report: RunReport, table: str) -> None:
    error = next(one.error_detail for one in report.tables if one.table == table)
    assert error is not None
    assert (table in error, BAD[table] in error) == (True, True), error


@pytest.mark.parametrize("table", GOOD)
def test_every_other_table_arrives(report: RunReport, table: str) -> None:
    assert next(one.status for one in report.tables if one.table == table) is TableStatus.LOADED


@pytest.mark.parametrize("name", BROKEN)
def test_text_that_looks_like_our_framing_is_mended_and_counted(
    report: RunReport, nights: Nights, name: str
) -> None:
    table = f"broken {name}"
    status = next(one.status for one in report.tables if one.table == table)
    counted = {one.column: (one.kind, one.rows) for one in nights.coercions(report) if one.table == table}
    expected = {column: ("invalid_utf8", rows) for column, rows in BROKEN[name][1].items()}
    assert (status, counted) == (TableStatus.LOADED, expected)


def test_broken_letters_arrive_beside_nulls(report: RunReport, nights: Nights) -> None:
    assert report.tables
    with connect(nights.settings.analytics) as analytics:
        found = analytics.exec_driver_sql('SELECT id, a, b FROM raw."broken letters" ORDER BY id').all()
    assert [tuple(row) for row in found] == [
        (1, "\ufffd", None), (2, None, "\ufffd\ufffd\ufffd"), (3, "\ufffd", "f\ufffd"), (4, "fine", "\u0081"),
        (5, "f\ufffd\ufffd", None), (6, "\ufffdN", "\\\ufffd"),
    ]  # fmt: skip


def test_no_error_quotes_a_row(report: RunReport) -> None:
    errors = " ".join(one.error_detail or "" for one in report.tables)
    assert "xxxx" not in errors


def test_the_command_line_says_so_by_its_exit_code(
    report: RunReport, nights: Nights, sandbox: Sandbox
) -> None:
    root = Path(__file__).parents[2]
    folder = nights.settings.tables_file.parent / "command line"
    environment = {
        **sandbox.environment(), "PROJECT_ROOT": str(root), "PATH": os.environ["PATH"],
        "TEST_TABLES_FILE": str(folder / "tables.yml"), "TEST_ARTIFACTS_URL": str(folder),
    }  # fmt: skip
    found = [
        subprocess.run(
            [sys.executable, "-m", "dental_etl", *words], env=environment, cwd=root, capture_output=True,
            check=False, timeout=120,
        ).returncode
        for words in (["analyze"], ["run", "--table", "damaged", "--table", "before"], ["run", "-t", "after"])
    ]  # fmt: skip
    assert found == [0, 1, 0]


def test_columns_left_out_by_the_owner_let_the_rest_arrive(report: RunReport, nights: Nights) -> None:
    left_out = [f"c{number}" for number in range(400, _WIDE)]
    nights.settings.tables_file.with_name("tables.overrides.yml").write_text(
        yaml.safe_dump(
            {"tables": {"rows of 16 KB": {"exclude_columns": left_out}, "damaged": {"exclude": True}}}
        )
    )
    again = nights.play()
    found = {one.table: one.status for one in again.tables}
    assert (found.get("rows of 16 KB"), found.get("damaged")) == (TableStatus.LOADED, None)


def test_tables_that_were_copied_are_equal(report: RunReport, nights: Nights) -> None:
    assert (
        differences(nights.settings, leave_out=frozenset({*BAD, *(f"broken {name}" for name in BROKEN)}))
        == []
    )
