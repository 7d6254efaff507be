"""Every type at its limits, every engine and every kind of key, through whole nights.

Values are compared by an independent reader with raw, and byte by byte with the replica.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from dental_etl.config import Settings
from dental_etl.report import RunReport
from dental_etl.run import TableStatus
from dental_etl.sandbox.state import Kind, Sandbox
from tests.comparison import differences
from tests.families import missing
from tests.nights import Nights
from tests.type_cases import CASES, Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A kind of key: three of it to begin with, a new one, and one that replaces the second."""

    kind: str
    keys: tuple[str, str, str]
    new: str
    renamed: str
    options: str = "ENGINE=MyISAM CHARACTER SET utf8mb4"
    #: Family of servers that has it; None for both.
    only: Kind | None = None


_LONG = random.Random(1).randbytes(1000)  # noqa: S311  # bytes that no index compresses, alike every time
KEYED = {
    "unsigned": Keyed(kind="bigint unsigned", keys=("0", "18446744073709551614", "5"), new="18446744073709551615", renamed="6"),
    "negative": Keyed(kind="int", keys=("-2147483648", "0", "-1"), new="-5", renamed="7"),
    "float": Keyed(kind="float", keys=("0.1", "-3.5", "16777217.5"), new="1e38", renamed="-0.1"),
    "double": Keyed(kind="double", keys=("0.1", "5e-324", "1e308"), new="-0.5", renamed="0.30000000000000004"),
    "decimal": Keyed(kind="decimal(40,20)", keys=("1.5", "-99999999999999999999.00000000000000000001", "0"), new="2", renamed="3.25"),
    "bit": Keyed(kind="bit(64)", keys=("0", "18446744073709551615", "5"), new="1", renamed="2"),
    "year": Keyed(kind="year", keys=("0", "1901", "2155"), new="1999", renamed="2000"),
    "date": Keyed(kind="date", keys=("'0000-00-00'", "'2020-00-15'", "'9999-12-31'"), new="'0001-01-01'", renamed="'2020-01-01'"),
    "moment": Keyed(kind="datetime(6)", keys=("'0000-00-00'", "'2020-01-01 00:00:00.000001'", "'2020-01-01'"), new="'9999-12-31'", renamed="'2020-05-05'"),
    "instant": Keyed(kind="timestamp(3)", keys=("'2011-11-06 06:30:00'", "'2011-11-06 07:30:00'", "'2020-01-01 00:00:00.001'"), new="'2030-01-01'", renamed="'2031-01-01'"),
    "time": Keyed(kind="time(6)", keys=("'-838:59:59'", "'00:00:00.000001'", "'838:59:59'"), new="'-00:00:01'", renamed="'25:00:00'"),
    "text": Keyed(kind="varchar(20)", keys=("'abc'", "'straße'", "'😀'"), new="'Zebra'", renamed="'STRASSE '"),
    "text that changes its case": Keyed(kind="varchar(20)", keys=("'a'", "'abc'", "'z'"), new="'b'", renamed="'ABC'"),
    "text that gains a blank": Keyed(kind="varchar(20)", keys=("'a'", "'abc'", "'z'"), new="'b'", renamed="'abc  '"),
    "padded text": Keyed(kind="char(20)", keys=("'a'", "' b'", "''"), new="'c'", renamed="'é'"),
    "latin1": Keyed(kind="varchar(20)", keys=("'é'", "x'fffefd'", "x'8d'"), new="'z'", renamed="x'80'", options="ENGINE=MyISAM CHARACTER SET latin1"),
    "ascii": Keyed(kind="varchar(36)", keys=("'a?'", "'b\\\\'", "''"), new="'%'", renamed="'B'", options="ENGINE=InnoDB CHARACTER SET ascii"),
    "cyrillic": Keyed(kind="varchar(20)", keys=("x'e0'", "x'98'", "'a'"), new="'b'", renamed="x'e1'", options="ENGINE=MyISAM CHARACTER SET cp1251"),
    "exact text": Keyed(kind="varchar(20)", keys=("'a'", "'A'", "'a '"), new="'b'", renamed="'B'", options="ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin", only=Kind.MARIADB),
    "text by MySQL's rules": Keyed(kind="varchar(20)", keys=("'abc'", "'straße'", "'a '"), new="'a'", renamed="'STRASSE'", options="ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", only=Kind.MYSQL),
    "MySQL's exact text": Keyed(kind="varchar(20)", keys=("'a'", "'A'", "'a '"), new="'b'", renamed="'B'", options="ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin", only=Kind.MYSQL),
    "bytes": Keyed(kind="varbinary(20)", keys=("''", "x'00ff'", "x'5c0a09'"), new="x'fd'", renamed="x'00ff00'"),
    "padded bytes": Keyed(kind="binary(16)", keys=("x'00'", "x'ff'", "x'5c0a09'"), new="x'fd'", renamed="x'01'"),
    "long bytes": Keyed(kind="varbinary(3072)", keys=(f"repeat(x'{_LONG.hex()}', 3)", "'b'", "'c'"), new="'d'", renamed="'e'", options="ENGINE=InnoDB"),
    "long text": Keyed(kind="varchar(768)", keys=("repeat('😀', 768)", "'b'", "'c'"), new="'d'", renamed="'B'", options="ENGINE=InnoDB CHARACTER SET utf8mb4"),
    "enum": Keyed(kind="enum('b','a','c','d','e')", keys=("1", "2", "3"), new="4", renamed="5"),
    "set": Keyed(kind="set('b','a','c')", keys=("0", "1", "2"), new="3", renamed="7"),
    "uuid": Keyed(kind="uuid", keys=("'00000000-0000-0000-0000-000000000000'", "'123e4567-e89b-12d3-a456-426655440000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"), new="'123e4567-e89b-12d3-a456-426655440001'", renamed="'123e4567-e89b-12d3-a456-426655440002'", only=Kind.MARIADB),
    "address": Keyed(kind="inet6", keys=("'::'", "'::1'", "'ffff::'"), new="'::2'", renamed="'::3'", only=Kind.MARIADB),
}  # fmt: skip

ONE_KEY = {f"by {name}": keyed for name, keyed in KEYED.items()}
TWO_KEYS = {
    f"by int and {name}": KEYED[name]
    for name in ("unsigned", "decimal", "date", "text that changes its case", "bytes", "enum", "latin1")
}
WITH_STAMP = {
    f"stamped by {name}": KEYED[name]
    for name in (
        "unsigned", "decimal", "date", "time", "text that changes its case", "text that gains a blank", "latin1",
        "cyrillic", "exact text", "text by MySQL's rules", "MySQL's exact text", "bytes", "long bytes", "long text", "enum", "uuid",
    )
}  # fmt: skip
#: Every table, and the family that can make it.
ALL = {case.name: case.only for case in CASES} | {
    name: keyed.only for name, keyed in (ONE_KEY | TWO_KEYS | WITH_STAMP).items()
}


def _create(nights: Nights, case: Case) -> None:
    nights.execute(f"CREATE TABLE `{case.name}` ({case.columns}) {case.options}")
    for row in case.rows:
        nights.execute(f"INSERT INTO `{case.name}` {case.into} VALUES ({row})")
    for statement in case.then:
        nights.execute(statement)


def _create_keyed(nights: Nights, name: str, keyed: Keyed, *, columns: str = "", key: str = "k") -> None:
    nights.execute(
        f"CREATE TABLE `{name}` (k {keyed.kind} NOT NULL, v varchar(20), n int NOT NULL{columns}, "
        f"PRIMARY KEY ({key})) {keyed.options}"
    )
    for number, value in enumerate(keyed.keys):
        nights.execute(f"INSERT INTO `{name}` (k, v, n) VALUES ({value}, 'x', {number})")


def _change_keyed(nights: Nights, name: str, keyed: Keyed) -> None:
    """Change the first row, give the second another key, delete the third, insert a fourth."""
    nights.execute(f"UPDATE `{name}` SET v = 'X' WHERE n = 0")
    nights.execute(f"UPDATE `{name}` SET k = {keyed.renamed} WHERE n = 1")
    nights.execute(f"DELETE FROM `{name}` WHERE n = 2")
    nights.execute(f"INSERT INTO `{name}` (k, v, n) VALUES ({keyed.new}, NULL, 3)")


@pytest.fixture(scope="module")
def nights(sandbox: Sandbox, sandbox_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    return Nights(sandbox, sandbox_settings, tmp_path_factory.mktemp("types"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    report: RunReport
    #: Tables whose rows in raw are not those of the source.
    differing: frozenset[str]
    #: Tables whose replica does not hold the source's bytes.
    replicas: tuple[str, ...]


@pytest.fixture(scope="module")
def story(nights: Nights, sandbox: Sandbox) -> Mapping[str, Night]:
    """Two nights, and a day of changes between them."""
    made = {name for name, only in ALL.items() if not missing(sandbox, only)}
    for case in CASES:
        if case.name in made:
            _create(nights, case)
    kinds = (
        (ONE_KEY, "", "k"),
        (TWO_KEYS, ", a int NOT NULL DEFAULT 1", "a, k"),
        (WITH_STAMP, ", st timestamp DEFAULT current_timestamp ON UPDATE current_timestamp", "k"),
    )
    for tables, columns, key in kinds:
        for name in made & tables.keys():
            _create_keyed(nights, name, tables[name], columns=columns, key=key)
    first = _night(nights)
    for tables, *_ in kinds:
        for name in made & tables.keys():
            _change_keyed(nights, name, tables[name])
    return {"first": first, "second": _night(nights)}


def _night(nights: Nights) -> Night:
    report = nights.play()
    return Night(
        report=report,
        differing=frozenset(one.table for one in differences(nights.settings)),
        replicas=tuple(nights.differing_replicas()),
    )


@pytest.mark.parametrize("night", ["first", "second"])
@pytest.mark.parametrize("table", ALL)
def test_raw_holds_what_the_source_holds(
    sandbox: Sandbox, story: Mapping[str, Night], night: str, table: str
) -> None:
    if reason := missing(sandbox, ALL[table]):
        pytest.skip(reason)
    result = next(one for one in story[night].report.tables if one.table == table)
    is_differing = table in story[night].differing
    assert (result.status, result.error_detail, is_differing) == (TableStatus.LOADED, None, False)


@pytest.mark.parametrize("night", ["first", "second"])
def test_every_replica_holds_the_sources_bytes(story: Mapping[str, Night], night: str) -> None:
    assert story[night].replicas == ()


def test_letters_that_unicode_lacks_are_counted(story: Mapping[str, Night], nights: Nights) -> None:
    counted = {
        (one.column, one.kind): one.rows
        for one in nights.coercions(story["first"].report)
        if one.table == "one byte a letter"
    }
    # In Windows-1251, 0x98 alone has no letter: it stands among every byte, and alone.
    assert counted["cp1251_0", "invalid_utf8"] == 2
    assert ("latin1_0", "invalid_utf8") not in counted
