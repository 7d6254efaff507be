"""The three databases of a very small clinic: what `verify` says, and what interrupted repairs leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest
from sqlalchemy import Connection

from dental_etl import pipeline
from dental_etl.config import Settings, read_tables
from dental_etl.exceptions import DatabaseQueryError
from dental_etl.reconciliation import repair
from dental_etl.reconciliation.verify import verify_tables
from dental_etl.report import RunReport
from dental_etl.run import RefreshMode
from dental_etl.schema_analysis import analyze
from dental_etl.tracking.migrations import migrate
from tests.comparison import differences
from tests.counting import counted

Night = Callable[..., RunReport]
Verify = Callable[..., dict[str, str]]
TABLES = (
    """CREATE TABLE visit (VisitNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, Note varchar(50), Amount double,
    Stamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) ENGINE=MyISAM""",
    """CREATE TABLE fee (FeeNum bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, Amount double, Photo blob)
    ENGINE=InnoDB""",
    "CREATE TABLE pair (A int, B varchar(9)) ENGINE=MyISAM",
    f"INSERT INTO visit (Note, Amount) SELECT CONCAT('n', seq), seq / 8 FROM {counted(1, 3000)}",
    f"INSERT INTO fee (Amount, Photo) SELECT seq, UNHEX(SHA2(seq, 224)) FROM {counted(1, 3000)}",
    f"INSERT INTO pair SELECT 1, 'same' FROM {counted(1, 3)}",
)


@pytest.fixture
def settings(sandbox_settings: Settings, tmp_path: Path) -> Settings:
    return replace(
        sandbox_settings, tables_file=tmp_path / "tables.yml", artifacts_url=str(tmp_path / "artifacts")
    )


@pytest.fixture
def source(source_admin: Connection, replication: Connection, analytics: Connection) -> Connection:
    """A source with three tables; the other databases are empty."""
    replication.rollback()
    analytics.rollback()
    for statement in TABLES:
        source_admin.exec_driver_sql(statement)
    source_admin.commit()
    return source_admin


@pytest.fixture
def night(settings: Settings, source: Connection) -> Night:
    migrate(settings.analytics)
    analyze(settings, now=datetime.now(UTC))

    def run(refresh: RefreshMode = RefreshMode.INCREMENTAL) -> RunReport:
        return pipeline.run_here(
            settings, clock=lambda: datetime.now(UTC), refresh=refresh, wants_dbt=False, max_workers=1
        )

    return run


@pytest.fixture
def verify(settings: Settings) -> Verify:
    """Verify every table; return the verdicts."""

    def look(*, is_deep: bool = False) -> dict[str, str]:
        configs = read_tables(settings.tables_file)
        seen = verify_tables(settings, configs, clock=lambda: datetime.now(UTC), is_deep=is_deep)
        return {one.table: one.verdict.value for one in seen}

    return look


@pytest.mark.parametrize("is_deep", [False, True])
def test_a_fresh_copy_is_equal(night: Night, verify: Verify, is_deep: bool) -> None:  # noqa: FBT001  # a case
    night()
    assert verify(is_deep=is_deep) == {"visit": "equal", "fee": "equal", "pair": "equal"}


def test_an_edit_of_the_source_is_seen(night: Night, verify: Verify, source: Connection) -> None:
    night()
    source.exec_driver_sql("UPDATE visit SET Note = 'N7', Stamp = Stamp WHERE VisitNum = 7")
    source.exec_driver_sql("DELETE FROM pair LIMIT 1")
    source.commit()
    assert verify() == {"visit": "replica differs", "fee": "equal", "pair": "replica differs"}


def test_an_edit_of_raw_is_seen(night: Night, verify: Verify, analytics: Connection) -> None:
    night()
    analytics.exec_driver_sql('UPDATE raw.fee SET "Photo" = NULL WHERE "FeeNum" = 9')
    analytics.exec_driver_sql("DELETE FROM raw.pair")
    analytics.commit()
    assert verify() == {"visit": "equal", "fee": "raw differs", "pair": "raw differs"}


def test_a_table_that_was_never_copied_is_unknown(night: Night, verify: Verify) -> None:
    assert set(verify().values()) == {"unknown"}


def test_verify_writes_nothing(night: Night, verify: Verify, replication: Connection) -> None:
    night()
    before = _statuses(replication)
    verify(is_deep=True)
    assert _statuses(replication) == before


@pytest.mark.parametrize("step", ["_write", "_delete", "_record"])
def test_an_interrupted_repair_is_finished_by_the_next_run(
    night: Night, source: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    night()
    source.exec_driver_sql("UPDATE visit SET Amount = -1, Stamp = Stamp WHERE VisitNum IN (5, 2900)")
    source.exec_driver_sql("DELETE FROM visit WHERE VisitNum IN (1, 1500)")
    source.exec_driver_sql("UPDATE fee SET FeeNum = 9000 WHERE FeeNum = 4")
    source.commit()
    with monkeypatch.context() as broken:
        broken.setattr(repair, step, _breaks)
        assert {table.table for table in night().failed} == {"visit", "fee"}
    assert night().failed == ()
    assert differences(settings) == []


def test_an_emptied_source_fails_its_table_and_raw_keeps_its_rows(
    night: Night, source: Connection, analytics: Connection
) -> None:
    night()
    source.exec_driver_sql("DELETE FROM visit")
    source.commit()
    report = night()
    assert [(table.table, table.error_code) for table in report.failed] == [("visit", "E_DELETE_BRAKE")]
    assert analytics.exec_driver_sql("SELECT count(*) FROM raw.visit").scalar_one() == 3000
    analytics.rollback()


def test_a_confirmed_loss_reaches_raw(night: Night, source: Connection, settings: Settings) -> None:
    night()
    source.exec_driver_sql("DELETE FROM visit")
    source.exec_driver_sql("DELETE FROM fee")
    source.commit()
    assert night(RefreshMode.CONFIRMED).failed == ()
    assert differences(settings) == []


def _breaks(*_arguments: Any, **_named: Any) -> NoReturn:
    raise DatabaseQueryError("the server went away")


def _statuses(replication: Connection) -> list[Any]:
    rows = replication.exec_driver_sql("SELECT * FROM etl_copy_status ORDER BY 1").all()
    replication.commit()
    return list(rows)
