from __future__ import annotations

from dental_etl.config.tables import Column, TableSchema
from dental_etl.wire.catalog import changed_table_ddl, column_ddl, create_table_ddl, cursor_index_ddl

KEY = Column(
    name="id", data_type="bigint", column_type="bigint(20)", is_nullable=False, extra="auto_increment"
)
NOTE = Column(
    name="Note", data_type="text", column_type="text", is_nullable=True, charset="utf8", collation="utf8_bin"
)
STAMP = Column(
    name="DateTStamp",
    data_type="timestamp",
    column_type="timestamp",
    is_nullable=False,
    default="current_timestamp()",
    extra="on update current_timestamp()",
)
TABLE = TableSchema(name="note", engine="MyISAM", columns=(KEY, NOTE, STAMP), primary_key=("id",))


def test_a_replica_has_no_auto_increment_because_loads_would_queue() -> None:
    assert "auto_increment" not in create_table_ddl(TABLE).lower()


def test_a_replica_keeps_character_set_and_collation() -> None:
    assert column_ddl(NOTE) == "`Note` text CHARACTER SET utf8 COLLATE utf8_bin NULL"


def test_a_stamp_of_the_replica_never_moves_by_itself() -> None:
    assert column_ddl(STAMP) == "`DateTStamp` timestamp NOT NULL DEFAULT '0000-00-00 00:00:00'"


def test_the_cursor_is_indexed() -> None:
    assert cursor_index_ddl(TABLE, "s", "DateTStamp") == "ALTER TABLE `s` ADD KEY `etl_cursor` (`DateTStamp`)"


def test_a_cursor_that_leads_the_key_is_not_indexed_twice() -> None:
    assert cursor_index_ddl(TABLE, "s", "id") is None


def test_a_table_without_a_key_gets_none() -> None:
    keyless = TableSchema(name="scratch", engine="MyISAM", columns=(NOTE,))
    assert "PRIMARY KEY" not in create_table_ddl(keyless)


def test_the_outbox_holds_the_key_and_the_generation() -> None:
    assert changed_table_ddl(TABLE).startswith(
        "CREATE TABLE IF NOT EXISTS `etl_changed__note` (\n"
        "  `id` bigint(20) NOT NULL,\n"
        "  `etl_generation` bigint NOT NULL,\n"
        "  PRIMARY KEY (`id`, `etl_generation`)\n"
    )


def test_the_outbox_of_a_key_that_leaves_no_room_has_two_indexes_instead() -> None:
    long = Column(
        name="Name",
        data_type="varchar",
        column_type="varchar(768)",
        is_nullable=False,
        charset="utf8mb4",
        collation="utf8mb4_bin",
    )
    ddl = changed_table_ddl(TableSchema(name="n", engine="InnoDB", columns=(long,), primary_key=("Name",)))
    assert "KEY (`Name`),\n  KEY (`etl_generation`)" in ddl
    assert "PRIMARY" not in ddl


def test_an_enum_whose_labels_the_catalog_garbles_becomes_text() -> None:
    garbled = Column(
        name="e",
        data_type="enum",
        column_type="enum('?')",
        is_nullable=False,
        charset="utf8mb4",
        collation="utf8mb4_bin",
    )
    assert column_ddl(garbled).startswith("`e` varchar(255) CHARACTER SET utf8mb4")


def test_a_type_is_called_by_the_name_that_every_server_knows() -> None:
    shapes = Column(
        name="Shapes", data_type="geomcollection", column_type="geomcollection", is_nullable=False
    )
    assert column_ddl(shapes) == "`Shapes` geometrycollection NOT NULL"
