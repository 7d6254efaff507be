"""Collations that one server has and the other does not."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from dental_etl.config import Column, TableSchema
from dental_etl.extract import collations, keys
from dental_etl.wire.catalog import create_table_ddl

#: No server has it, as MariaDB has none of MySQL's and MySQL none of MariaDB's.
_FOREIGN = "utf8mb4_9999_ai_ci"


def _table(charset: str, collation: str) -> TableSchema:
    name = Column(
        name="Name", data_type="varchar", column_type="varchar(50)", is_nullable=False,
        charset=charset, collation=collation,
    )  # fmt: skip
    return TableSchema(name="carrier", engine="InnoDB", columns=(name,), primary_key=("Name",))


def test_a_collation_that_both_servers_have_stays(replication: Connection) -> None:
    table = _table("utf8mb4", "utf8mb4_general_ci")
    assert collations.known_to(replication, table) == table


def test_labels_that_are_bytes_keep_theirs(replication: Connection) -> None:
    """Of an ENUM in the character set `binary`, whose name is a keyword besides."""
    table = _table("binary", "binary")
    assert collations.known_to(replication, table) == table


def test_one_that_the_replica_lacks_becomes_the_finest_there_is(replication: Connection) -> None:
    known = collations.known_to(replication, _table("utf8mb4", _FOREIGN))
    assert known.column("Name").is_recollated
    replication.exec_driver_sql(create_table_ddl(known))
    values = ("a", "A", "\u00e4", "a ")  # one key to some collations, four to others
    for value in values:
        replication.exec_driver_sql("INSERT INTO carrier VALUES (%(value)s)", {"value": value})
    assert replication.exec_driver_sql("SELECT COUNT(*) FROM carrier").scalar_one() == len(values)


def test_a_key_in_another_order_is_not_paged_by(replication: Connection) -> None:
    known = collations.known_to(replication, _table("utf8mb4", _FOREIGN))
    assert not keys.is_pageable(known)
    assert keys.is_pageable(_table("utf8mb4", _FOREIGN))


@pytest.mark.parametrize("charset", ["utf8", "utf8mb3"])
def test_the_two_names_of_three_byte_utf8_are_one(replication: Connection, charset: str) -> None:
    known = collations.known_to(replication, _table(charset, f"{charset}_general_ci"))
    assert not known.column("Name").is_recollated
    assert keys.is_pageable(known)
    replication.exec_driver_sql(create_table_ddl(known))
