"""Random tables and what can happen to them at a clinic, as SQL for the source; the choices are a test's.

Every row has a number of its own (`Num`, never its key), by which a step picks the rows that it changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.counting import counted

#: Rows of a step: those whose number leaves a remainder.
_PARTS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type of column, and how a row gets its value from its number."""

    ddl: str
    #: With `{n}` for the number.
    value: str


KINDS = {
    "int": Kind(ddl="int", value="{n} * 7 - 300"),
    "unsigned": Kind(ddl="bigint unsigned", value="18446744073709551000 + MOD({n}, 500)"),
    "decimal": Kind(ddl="decimal(12,2)", value="{n} / 8"),
    "double": Kind(ddl="double", value="{n} / 7"),
    "float": Kind(ddl="float", value="{n} / 3"),
    "varchar": Kind(
        ddl="varchar(60) CHARACTER SET utf8mb4", value="CONCAT('né', {n}, IF(MOD({n}, 3), ' ', ''))"
    ),
    "latin": Kind(ddl="varchar(60) CHARACTER SET latin1", value="CONCAT('é', {n})"),
    "text": Kind(ddl="text CHARACTER SET utf8", value=r"CONCAT('a\\b\t', {n})"),
    "enum": Kind(ddl="enum('a','B','')", value="1 + MOD({n}, 3)"),
    "bit": Kind(ddl="bit(9)", value="MOD({n}, 512)"),
    "blob": Kind(ddl="blob", value="UNHEX(SHA2({n}, 224))"),
    "date": Kind(ddl="date", value="IF(MOD({n}, 5), '2020-01-01' + INTERVAL {n} DAY, '0000-00-00')"),
    "datetime": Kind(ddl="datetime(3)", value="'2020-01-01 00:00:00.125' + INTERVAL {n} HOUR"),
    "timestamp": Kind(ddl="timestamp NULL DEFAULT NULL", value="'2021-10-31 00:30:00' + INTERVAL {n} MINUTE"),
    "time": Kind(ddl="time", value="SEC_TO_TIME({n} * 61 - 3000)"),
    "bool": Kind(ddl="tinyint(1)", value="MOD({n}, 3) - 1"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyKind:
    """A primary key, how the n-th row gets its value, and how a row gets another one."""

    ddl: str
    columns: tuple[str, ...]
    values: str
    changed: str
    primary: str = ""


_CI = "varchar(20) CHARACTER SET utf8 COLLATE utf8mb3_general_ci"
KEYS = {
    "none": KeyKind(ddl="K int", columns=("K",), values="MOD({n}, 9)", changed="K = K + 1"),
    "counter": KeyKind(
        ddl="K int NOT NULL", columns=("K",), values="{n}", changed="K = K + 100000", primary="K"
    ),
    "negative": KeyKind(
        ddl="K bigint NOT NULL",
        columns=("K",),
        values="-CAST({n} AS SIGNED)",
        changed="K = K - 100000",
        primary="K",
    ),
    "unsigned": KeyKind(
        ddl="K bigint unsigned NOT NULL",
        columns=("K",),
        values="18446744073709551615 - {n}",
        changed="K = K - 100000",
        primary="K",
    ),
    "text": KeyKind(
        ddl=f"K {_CI} NOT NULL",
        columns=("K",),
        values="CONCAT('k', {n})",
        changed="K = IF(BINARY K = UPPER(K), LOWER(K), UPPER(K))",
        primary="K",
    ),
    "composite": KeyKind(
        ddl=f"K int NOT NULL, L {_CI} NOT NULL",
        columns=("K", "L"),
        values="MOD({n}, 5), CONCAT('l', {n})",
        changed="L = CONCAT(L, 'x')",
        primary="K, L",
    ),
    "day": KeyKind(
        ddl="K date NOT NULL, L int NOT NULL",
        columns=("K", "L"),
        values="IF(MOD({n}, 4), '2020-01-01' + INTERVAL MOD({n}, 9) DAY, '0000-00-00'), {n}",
        changed="L = L + 100000",
        primary="L, K",
    ),
}
STAMPS = {
    "none": "",
    "stamp": "Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    "local": "Stamp datetime NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
    "nullable": "Stamp datetime NULL DEFAULT NULL ON UPDATE CURRENT_TIMESTAMP",
}
CURSORS = ("'2001-01-01'", "'2037-01-01'", "'0000-00-00'", "NULL", "NOW() - INTERVAL 20 MINUTE")


@dataclass(slots=True, kw_only=True)
class Table:
    """One table of the source as the test knows it; every method returns one statement."""

    name: str
    key: str
    stamp: str
    engine: str
    #: Kind of each column that is neither key, number nor stamp.
    columns: dict[str, str] = field(default_factory=dict)
    rows_made: int = 0
    names_made: int = 0

    def create(self) -> str:
        key = KEYS[self.key]
        lines = [key.ddl, "Num int", *(f"`{name}` {KINDS[kind].ddl}" for name, kind in self.columns.items())]
        lines += [STAMPS[self.stamp]] if self.stamp != "none" else []
        lines += [f"PRIMARY KEY ({key.primary})"] if key.primary else []
        return f"CREATE TABLE `{self.name}` ({', '.join(lines)}) ENGINE={self.engine}"

    def insert(self, rows: int) -> str:
        first = self.rows_made + 1
        self.rows_made += rows
        key = KEYS[self.key]
        names = [*key.columns, "Num", *(f"`{name}`" for name in self.columns)]
        values = [key.values.format(n="n"), "n", *(_value(kind) for kind in self.columns.values())]
        return (
            f"INSERT IGNORE INTO `{self.name}` ({', '.join(names)}) SELECT {', '.join(values)} "
            f"FROM (SELECT CAST(seq AS SIGNED) AS n FROM {counted(first, first + rows - 1)}) numbers"
        )

    def edit(self, column: str, part: int, *, is_silent: bool) -> str:
        """Give rows the values of other rows, so that sums and sets of values may stay what they were."""
        shifted = _value(self.columns[column], f"(Num + {part} + 1)")
        kept = ", Stamp = Stamp" if is_silent and self.stamp != "none" else ""
        return f"UPDATE `{self.name}` SET `{column}` = {shifted}{kept} WHERE {_some(part)}"

    def date(self, cursor: str, part: int) -> str:
        return f"UPDATE IGNORE `{self.name}` SET Stamp = {cursor} WHERE {_some(part)}"

    def delete(self, part: int) -> str:
        return f"DELETE FROM `{self.name}` WHERE {_some(part)}"

    def truncate(self) -> str:
        return f"TRUNCATE TABLE `{self.name}`"

    def rekey(self, part: int) -> str:
        kept = ", Stamp = Stamp" if self.stamp != "none" else ""
        return f"UPDATE IGNORE `{self.name}` SET {KEYS[self.key].changed}{kept} WHERE {_some(part)}"

    def add(self, kind: str, place: str) -> str:
        self.names_made += 1
        name = f"New {self.names_made}"
        self.columns[name] = kind
        return f"ALTER TABLE `{self.name}` ADD COLUMN `{name}` {KINDS[kind].ddl} {place}"

    def drop(self, column: str) -> str:
        del self.columns[column]
        return f"ALTER TABLE `{self.name}` DROP COLUMN `{column}`"

    def rename(self, column: str) -> str:
        self.names_made += 1
        name = f"Other{self.names_made}"
        self.columns[name] = self.columns.pop(column)
        ddl = KINDS[self.columns[name]].ddl
        return f"ALTER TABLE `{self.name}` CHANGE COLUMN `{column}` `{name}` {ddl}"

    def retype(self, column: str, kind: str) -> str:
        self.columns[column] = kind
        return f"ALTER TABLE `{self.name}` MODIFY COLUMN `{column}` {KINDS[kind].ddl}"

    def reorder(self, column: str) -> str:
        ddl = KINDS[self.columns[column]].ddl
        return f"ALTER TABLE `{self.name}` MODIFY COLUMN `{column}` {ddl} FIRST"

    def rest(self, column: str) -> str:
        """Change a default, which no row shows."""
        return f"ALTER TABLE `{self.name}` ALTER COLUMN `{column}` SET DEFAULT NULL"

    def move(self, engine: str) -> str:
        self.engine = engine
        return f"ALTER TABLE `{self.name}` ENGINE={engine}"

    def give_key(self) -> str:
        """Make the row's number the key; IGNORE would delete rows, so it may be refused."""
        dropped = "DROP PRIMARY KEY, " if KEYS[self.key].primary else ""
        return f"ALTER TABLE `{self.name}` {dropped}ADD PRIMARY KEY (Num)"


def _some(part: int) -> str:
    return f"MOD(Num, {_PARTS}) = {part}"


def _value(kind: str, number: str = "n") -> str:
    """Return what a row of that number holds; each sixth holds nothing."""
    return f"IF(MOD({number}, 6) = 1, NULL, {KINDS[kind].value.format(n=number)})"
