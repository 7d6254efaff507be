"""Create the ledger."""

from __future__ import annotations

from dental_etl.tracking.migrations.steps import refuse_downgrade, run_sql_beside

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


downgrade = refuse_downgrade


def upgrade() -> None:
    run_sql_beside(__file__)
