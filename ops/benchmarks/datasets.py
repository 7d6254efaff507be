"""The tables that everybody copies: made by the source itself, the same on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
#: Rows that one statement makes; a larger one only makes a larger transaction.
_PIECE_ROWS = 100_000
#: What Open Dental writes for "no date" where the zero date is not allowed.
_NO_DATE = "0001-01-01"
_CLINIC_TABLES = 436


class Shape(StrEnum):
    #: 45 columns, with the zero dates that real clinics have.
    WIDE = "procedurelog"
    #: The same without zero dates, which most other tools cannot copy.
    CLEAN = "procclean"
    #: 15 short columns.
    NARROW = "periomeasure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One table and how it is made."""

    table: str
    shape: Shape
    rows: int
    #: ``InnoDB`` or ``MyISAM``, at the source.
    engine: str

    @property
    def key(self) -> str:
        """Primary key."""
        return "PerioMeasureNum" if self.shape is Shape.NARROW else "ProcNum"

    @property
    def statements(self) -> tuple[str, str]:
        """CREATE TABLE, and the INSERT of the rows from ``{first}`` to ``{last}``."""
        file = "periomeasure.sql" if self.shape is Shape.NARROW else "procedurelog.sql"
        create, insert = (_FOLDER / file).read_text(encoding="utf-8").split(";\n\n")
        no_date = "0000-00-00" if self.shape is Shape.WIDE else _NO_DATE
        create = create.replace("{table}", self.table).replace("{engine}", self.engine)
        insert = insert.strip().removesuffix(";")
        return create, insert.replace("{table}", self.table).replace("{no_date}", no_date)

    @property
    def digest(self) -> str:
        """Tells whether a table that is there is this one."""
        return hashlib.sha256(repr((self.statements, self.rows)).encode()).hexdigest()[:16]


def datasets(wide_rows: int, engine: str) -> tuple[Dataset, ...]:
    """Return one table of each shape; the narrow one has twice as many rows."""
    return tuple(
        Dataset(
            table=str(shape),
            shape=shape,
            rows=wide_rows * (2 if shape is Shape.NARROW else 1),
            engine=engine,
        )
        for shape in Shape
    )


def clinic(rows: int, engine: str, *, tables: int = _CLINIC_TABLES) -> tuple[Dataset, ...]:
    """Return tables with so many rows together: a few are large, most are nearly empty.

    The n-th table has about 1/n of the rows of the first, as in real clinics.
    """
    weights = [1 / number for number in range(1, tables + 1)]
    return tuple(
        Dataset(
            table=f"clinic{number:03}",
            shape=Shape.NARROW if number % 3 == 0 else Shape.CLEAN,
            rows=max(1, round(rows * weight / sum(weights))),
            engine=engine,
        )
        for number, weight in enumerate(weights, start=1)
    )


def build(source: Any, dataset: Dataset) -> bool:
    """Make the table unless it is there already; return whether it was made.

    Args:
        source: pymysql connection that may create tables; UTC, and not strict about dates.
        dataset: Which.
    """
    with source.cursor() as cursor:
        cursor.execute(
            "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE()"
            " AND table_name = %s",
            (dataset.table,),
        )
        if cursor.fetchone() == (dataset.digest,):
            return False
        cursor.execute(f"DROP TABLE IF EXISTS `{dataset.table}`")
        create, insert = dataset.statements
        cursor.execute(create)
        for first in range(1, dataset.rows + 1, _PIECE_ROWS):
            last = min(first + _PIECE_ROWS - 1, dataset.rows)
            cursor.execute(insert.replace("{first}", str(first)).replace("{last}", str(last)))
        cursor.execute(f"ANALYZE TABLE `{dataset.table}`")
        cursor.execute(f"ALTER TABLE `{dataset.table}` COMMENT = %s", (dataset.digest,))
    return True
