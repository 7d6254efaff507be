"""Know the tables that came and went since the last analysis."""

from __future__ import annotations

from dental_etl.tracking.migrations.steps import refuse_downgrade, run_sql_beside

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


downgrade = refuse_downgrade


def upgrade() -> None:
    run_sql_beside(__file__)
