"""Upgrade the sandbox's Open Dental to a version that never was: new columns, wider types, a table."""

from __future__ import annotations

import pymysql

from dental_etl.sandbox.clinic import connect, refuse_strangers
from dental_etl.sandbox.state import LOOPBACK, SOURCE_DATABASE, Sandbox

_STEPS = {
    "patient: column NickNameNote added": (
        "ALTER TABLE patient ADD COLUMN NickNameNote varchar(255) NOT NULL DEFAULT 'none'"
    ),
    "appointment: column RoomTempC added in the middle": (
        "ALTER TABLE appointment ADD COLUMN RoomTempC double NULL AFTER AptStatus"
    ),
    "procedurelog: column DateLastReview added": (
        "ALTER TABLE procedurelog ADD COLUMN DateLastReview date NOT NULL DEFAULT '0001-01-01'"
    ),
    "claimproc: column IsAudited added": (
        "ALTER TABLE claimproc ADD COLUMN IsAudited tinyint NOT NULL DEFAULT 0"
    ),
    "payment: column MerchantRef added": (
        "ALTER TABLE payment ADD COLUMN MerchantRef varchar(50) NOT NULL DEFAULT ''"
    ),
    "commlog: column ChannelNum added": (
        "ALTER TABLE commlog ADD COLUMN ChannelNum bigint NOT NULL DEFAULT 7"
    ),
    "recall: column Tag added": "ALTER TABLE recall ADD COLUMN Tag text NULL",
    "patient: new column filled by the conversion": (
        "UPDATE patient SET NickNameNote = CONCAT('of ', PatNum) WHERE MOD(PatNum, 40) = 1"
    ),
    "carrier: CarrierName widened": "ALTER TABLE carrier MODIFY CarrierName varchar(400) DEFAULT ''",
    "recall: Priority widened to int": "ALTER TABLE recall MODIFY Priority int NOT NULL",
    "labcase: InvoiceNum dropped": "ALTER TABLE labcase DROP COLUMN InvoiceNum",
    "provider: column StateRxID renamed": (
        "ALTER TABLE provider CHANGE COLUMN StateRxID StateRxNumber varchar(255) NOT NULL"
    ),
    "eroutinglog: new table": (
        "CREATE TABLE IF NOT EXISTS eroutinglog (ERoutingLogNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, "
        "PatNum bigint NOT NULL, EntryDateTime datetime NOT NULL DEFAULT '0001-01-01 00:00:00') ENGINE=MyISAM"
    ),
    "eroutinglog: rows added": (
        "INSERT INTO eroutinglog (PatNum, EntryDateTime) SELECT PatNum, NOW() FROM patient ORDER BY PatNum LIMIT 10"
    ),
    "usergroup: table dropped": "DROP TABLE IF EXISTS usergroup",
    "preference: DataBaseVersion raised": (
        "UPDATE preference SET ValueString = '24.4.1.0' WHERE PrefName IN ('DataBaseVersion', 'ProgramVersion')"
    ),
}


#: The column is there already, or no longer: an upgrade may be repeated. MariaDB can say IF EXISTS, MySQL not.
_DONE_BEFORE = (1060, 1054, 1091)


def upgrade(sandbox: Sandbox) -> tuple[str, ...]:
    """Change the source's schema as an upgrade does; return what was done, in words.

    Raises:
        SandboxError: The server does not answer.
    """
    refuse_strangers(LOOPBACK, SOURCE_DATABASE)
    with connect(sandbox) as connection, connection.cursor() as cursor:
        for statement in _STEPS.values():
            try:
                cursor.execute(statement)
            except pymysql.MySQLError as error:
                if error.args[0] not in _DONE_BEFORE:
                    raise
    return tuple(_STEPS)
