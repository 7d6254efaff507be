"""Let tables wait while a server is away."""

from __future__ import annotations

from dental_etl.tracking.migrations.steps import refuse_downgrade, run_sql_beside

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


downgrade = refuse_downgrade


def upgrade() -> None:
    run_sql_beside(__file__)
