"""Let the ledger show how far a load is."""

from __future__ import annotations

from dental_etl.tracking.migrations.steps import refuse_downgrade, run_sql_beside

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


downgrade = refuse_downgrade


def upgrade() -> None:
    run_sql_beside(__file__)
