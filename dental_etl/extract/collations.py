"""Collations of the source that the replication server does not know.

MySQL 8 comes with ``utf8mb4_0900_ai_ci``, MariaDB 11 with ``utf8mb4_uca1400_ai_ci``, and neither server knows
the other's. Such a column gets the finest collation there is on the replica: what differs at the source
differs there as well. Its text is the same, its order is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection

from dental_etl.config import Column, Role, TableSchema
from dental_etl.connections import DRIVER_ERRORS, database_errors, error_number

#: Of servers that know the character set, in the order of preference: without padding first.
_FINEST = ("nopad_bin", "0900_bin", "bin")
#: One character set under its old and its new name.
_NAMES_OF_UTF8 = ("utf8mb3", "utf8")
_UNKNOWN = frozenset({"1115", "1273"})
#: What this process has asked, by server and collation.
_answers: dict[tuple[str, str], bool] = {}


def known_to(replication: Connection, schema: TableSchema) -> TableSchema:
    """Return a structure of the source with collations that the replication server knows.

    A column whose order of text is another one there is marked (`Column.is_recollated`): keys of it cannot
    be paged by.

    Raises:
        DatabaseError: By the server's error number.
    """
    with database_errors(Role.REPLICATION, table=schema.name):
        columns = tuple(_known(replication, column) for column in schema.columns)
    return replace(schema, columns=columns)


def _known(replication: Connection, column: Column) -> Column:
    if column.charset is None or column.collation is None:
        return column
    for charset, collation in _candidates(column.charset, column.collation):
        if _is_known(replication, charset, collation):
            is_same = collation.removeprefix(charset) == column.collation.removeprefix(column.charset)
            return replace(column, charset=charset, collation=collation, is_recollated=not is_same)
    return column


def _candidates(charset: str, collation: str) -> Iterator[tuple[str, str]]:
    names = [charset]
    if charset in _NAMES_OF_UTF8:
        names += [name for name in _NAMES_OF_UTF8 if name != charset]
    kind = collation.removeprefix(charset)
    yield from ((name, f"{name}{kind}") for name in names)
    yield from ((name, f"{name}_{kind}") for name in names for kind in _FINEST)


def _is_known(replication: Connection, charset: str, collation: str) -> bool:
    """Ask the server once; neither the name of its collation nor its table of them is spelled alike everywhere."""
    server = replication.engine.url.render_as_string()
    asked = _answers.get((server, collation))
    if asked is None:
        asked = _answers[server, collation] = _ask(replication, charset, collation)
    return asked


def _ask(replication: Connection, charset: str, collation: str) -> bool:
    try:
        # Quoted, as MariaDB takes `binary` for a keyword here.
        replication.exec_driver_sql(
            f"SELECT CONVERT('' USING `{charset}`) COLLATE `{collation}`"
        ).scalar_one()
    except DRIVER_ERRORS as error:
        if error_number(error) not in _UNKNOWN:
            raise
        return False
    return True
