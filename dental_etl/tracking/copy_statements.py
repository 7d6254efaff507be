"""The statements on ``etl_copy_status``, each built once: building one takes longer than the server needs for it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, bindparam, func, select, update
from sqlalchemy.dialects import mysql
from sqlalchemy.sql.dml import Update

from dental_etl.tracking.copy_table import COPY

ONE = select(COPY).where(COPY.c.table_name == bindparam("of_table"))
SCHEMA = select(COPY.c.source_schema).where(COPY.c.table_name == bindparam("of_table"))
ADD = mysql.insert(COPY).prefix_with("IGNORE")
TAKE = (
    update(COPY)
    .where(COPY.c.table_name == bindparam("of_table"), COPY.c.fence <= bindparam("of_fence"))
    .values(fence=bindparam("of_fence"), copy_status="running", run_id=bindparam("of_run"))
)
FORGET = (
    update(COPY)
    .where(
        COPY.c.table_name == bindparam("of_table"), COPY.c.forgotten_generation < bindparam("of_generation")
    )
    .values(forgotten_generation=bindparam("of_generation"))
)


@lru_cache(maxsize=32)
def writing(values: tuple[str, ...], added: tuple[str, ...], raised: tuple[str, ...]) -> Update:
    """Return the statement that writes columns of one table's status, if a fence still holds.

    Args:
        values: Columns that get ``new_`` and their name.
        added: Columns that grow by it.
        raised: Columns that get the next generation, at least ``least_generation``.
    """
    least = bindparam("least_generation", type_=BigInteger)
    ordered: list[tuple[Any, Any]] = [
        # MySQL assigns from left to right, so the generation itself comes last: the others see the old one.
        *((COPY.c[name], func.greatest(COPY.c.generation + 1, least)) for name in raised),
        *((COPY.c[name], bindparam(f"new_{name}")) for name in values),
        *((COPY.c[name], COPY.c[name] + bindparam(f"new_{name}")) for name in added),
    ]
    here = (COPY.c.table_name == bindparam("of_table"), COPY.c.fence == bindparam("of_fence"))
    return update(COPY).where(*here).ordered_values(*ordered)
