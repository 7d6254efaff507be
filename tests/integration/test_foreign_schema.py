"""Somebody else's database - a wiki, a shop, a house of blogs - copied without a line of configuration."""

from __future__ import annotations

import itertools
import random
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dental_etl.config import Settings, read_tables
from dental_etl.report import Outcome, RunReport
from dental_etl.run import Strategy
from dental_etl.sandbox.state import Sandbox
from tests.comparison import Difference, differences
from tests.nights import Nights, quoted

#: Minutes of its own; `make test-all` has it.
pytestmark = pytest.mark.slow

_SCHEMAS = Path(__file__).parent / "foreign"
#: What the names in braces stand for.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "wiki": ("", "de_"),
    "thing": ("catalog_product", "catalog_category", "customer", "customer_address", "order_item"),
    "kind": ("int", "decimal", "varchar", "text", "datetime", "double"),
    "store": ("retail", "outlet", "b2b"),
    "blog": ("wp_", "wp_2_", "wp_3_", "wp_4_", "wp_5_", "wp_6_", "wp_7_", "wp_8_"),
}
_TYPES = {"decimal": "decimal(12,4)", "varchar": "varchar(255)"}
_TEXTS = (
    "", " ", "Ordinary words", "naïve café, Größe 45", "cafÃ© encoded twice", "日本語の題名", "line one\r\nline\ttwo",
    "back\\slash and \\N", "it's \"quoted\" 100 %s", "NULL", "0", 'a:2:{i:0;s:1:"x";}', "<p>&nbsp;</p>",
)  # fmt: skip
_DAYS = ("0000-00-00", "1970-01-01", "2004-02-29", "2009-00-00", "9999-12-31", "1999-12-31")
_BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}
_ROWS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    name: str
    kind: str
    declared: str
    length: int
    is_nullable: bool
    is_key: bool


def _statements() -> Iterator[str]:
    for file in sorted(_SCHEMAS.glob("*.sql")):
        lines = [line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("CREATE")]
        for line in lines:
            yield from _expanded(line)


def _expanded(line: str) -> Iterator[str]:
    used = [name for name in _NAMES if f"{{{name}}}" in line]
    for chosen in itertools.product(*(_NAMES[name] for name in used)):
        values = dict(zip(used, chosen, strict=True))
        kind = values.get("kind", "")
        yield line.format(**values, type=_TYPES.get(kind, kind))


def _columns(nights: Nights) -> dict[str, list[_Column]]:
    """Return the columns of every table that rows are written to, as the server tells them."""
    found: dict[str, list[_Column]] = {}
    rows = nights.execute(
        "SELECT c.table_name, c.column_name, c.data_type, c.column_type, COALESCE(c.character_maximum_length, 0), "
        "c.is_nullable, c.column_key FROM information_schema.columns c WHERE c.table_schema = DATABASE() "
        "AND c.extra NOT LIKE '%%GENERATED%%' ORDER BY c.table_name, c.ordinal_position", ()
    )  # fmt: skip
    for table, name, kind, declared, length, nullable, key in rows:
        found.setdefault(table, []).append(
            _Column(
                name=name,
                kind=kind,
                declared=declared,
                length=int(length),
                is_nullable=nullable == "YES",
                is_key=key in {"PRI", "UNI"},
            )
        )
    return found


def _value(column: _Column, number: int, chance: random.Random) -> object:
    """Make a value of a column; keys are numbered, everything else is drawn."""
    if column.is_nullable and chance.random() < 0.2:
        return None
    if column.kind in _BITS:
        return _whole_number(column, number, chance)
    if column.kind in {"decimal", "double", "float"}:
        return f"{chance.choice((0, 1, 99, -1))}.{chance.randrange(1000):03}"
    if column.kind in {"date", "datetime", "timestamp"}:
        return _moment(column, chance)
    if column.kind in {"enum", "set", "bit", "year"}:
        return {"year": 1999, "enum": chance.randrange(3)}.get(column.kind, chance.randrange(8))
    if column.kind == "time":
        return f"{chance.randrange(-800, 800)}:59:01"
    return _text(column, number, chance)


def _whole_number(column: _Column, number: int, chance: random.Random) -> int:
    if column.is_key:
        return number
    is_unsigned = "unsigned" in column.declared
    most = 2 ** (_BITS[column.kind] - (not is_unsigned)) - 1
    return chance.choice((0, 1, number, most, 0 if is_unsigned else -most - 1))


def _moment(column: _Column, chance: random.Random) -> str:
    if column.kind == "timestamp":
        return "2020-11-01 06:30:00" if chance.random() < 0.5 else "0000-00-00 00:00:00"
    day = chance.choice(_DAYS)
    return day if column.kind == "date" else f"{day} {chance.randrange(24):02}:59:59"


def _text(column: _Column, number: int, chance: random.Random) -> object:
    if column.is_key:
        return f"{number:08}-Key"[: column.length]
    if "json" in column.declared or column.name == "extra":
        return '{"a":  [1, 2.50], "ü": null}'
    if column.kind.endswith(("blob", "binary")):
        return chance.randbytes(chance.randrange(min(column.length, 60) + 1))
    if column.kind.endswith("text") and chance.random() < 0.1:
        return chance.choice(_TEXTS) * 900 if column.kind in {"mediumtext", "longtext"} else "x" * 255
    return chance.choice(_TEXTS)[: column.length]


def _insert(
    nights: Nights, table: str, columns: Iterable[_Column], numbers: Iterable[int], chance: random.Random
) -> None:
    columns = list(columns)
    names = ", ".join(quoted(column.name) for column in columns).replace("%", "%%")
    places = f"({', '.join(['%s'] * len(columns))})"
    rows = [[_value(column, number, chance) for column in columns] for number in numbers]
    values: list[Any] = list(itertools.chain.from_iterable(rows))
    # IGNORE, as such programs do: what is twice is left out, what does not fit is cut.
    nights.execute(
        f"INSERT IGNORE INTO {quoted(table)} ({names}) VALUES {', '.join([places] * len(rows))}",
        tuple(values),
    )


def _chance(table: str, night: int) -> random.Random:
    return random.Random(zlib.crc32(table.encode()) + night)  # noqa: S311  # repeatable rows, not secrets


def _live_a_day(nights: Nights, columns: Mapping[str, list[_Column]]) -> None:
    """Insert into two tables of three, delete from half of them, edit every one."""
    for number, (table, of_table) in enumerate(columns.items()):
        chance = _chance(table, 2)
        if number % 3:
            _insert(nights, table, of_table, range(100, 104), chance)
        if number % 2:
            nights.execute(f"DELETE FROM {quoted(table)} LIMIT 2")
        edited = next((column for column in of_table if not column.is_key), None)
        if edited is not None:
            value = _value(edited, 5, chance)
            nights.execute(f"UPDATE IGNORE {quoted(table)} SET {quoted(edited.name)} = %s LIMIT 3", (value,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    report: RunReport
    differing: list[Difference]


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def story(nights: Nights) -> tuple[Night, Night]:
    """Two nights, and a day of the three programs between them."""
    for statement in _statements():
        nights.execute(statement)
    columns = _columns(nights)
    for table, of_table in columns.items():
        _insert(nights, table, of_table, range(1, _ROWS), _chance(table, 1))
    first = _night(nights)
    _live_a_day(nights, columns)
    return first, _night(nights)


def _night(nights: Nights) -> Night:
    report = nights.play()
    scratch = frozenset(re.findall(r"^(\S+): scratch", "\n".join(nights.analyze()), re.MULTILINE))
    return Night(report=report, differing=differences(nights.settings, leave_out=scratch))


def test_a_foreign_database_is_copied_whole(story: tuple[Night, Night]) -> None:
    assert (story[0].report.outcome, story[0].differing) == (Outcome.SUCCEEDED, [])


def test_a_day_of_its_programs_arrives(story: tuple[Night, Night]) -> None:
    assert (story[1].report.outcome, story[1].differing) == (Outcome.SUCCEEDED, [])


def test_hundreds_of_tables_were_copied(story: tuple[Night, Night]) -> None:
    assert len(story[0].report.tables) > 170


def test_only_what_the_server_stamps_is_read_by_its_changes(
    story: tuple[Night, Night], nights: Nights
) -> None:
    by_changes = {
        table.primary_incremental_column
        for table in read_tables(nights.settings.tables_file)
        if table.extraction_strategy is not Strategy.FULL_TABLE
    }
    assert by_changes == {"updated_at", "cl_timestamp", "hit_at", "moved_at"}


def test_old_copies_by_hand_are_left_out(story: tuple[Night, Night], nights: Nights) -> None:
    left_out = {line.split(":")[0] for line in nights.analyze()}
    assert left_out == {f"{blog}backup_posts" for blog in _NAMES["blog"]}
