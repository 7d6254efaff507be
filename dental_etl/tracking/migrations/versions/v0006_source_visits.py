"""Keep what every visit to the source has cost."""

from __future__ import annotations

from dental_etl.tracking.migrations.steps import refuse_downgrade, run_sql_beside

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


downgrade = refuse_downgrade


def upgrade() -> None:
    run_sql_beside(__file__)
