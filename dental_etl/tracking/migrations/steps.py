"""What every revision of the ledger does: run the SQL file beside it, and never go back."""

from __future__ import annotations

from pathlib import Path

from alembic import op

from dental_etl.exceptions import ConfigurationError


def run_sql_beside(revision: str) -> None:
    """Run the statements of a revision.

    Args:
        revision: ``__file__`` of the revision's module; its SQL has the same name.
    """
    op.get_bind().exec_driver_sql(Path(revision).with_suffix(".sql").read_text(encoding="utf-8"))


def refuse_downgrade() -> None:
    """Refuse: going back would throw the history of the runs away.

    Raises:
        ConfigurationError: Always.
    """
    raise ConfigurationError("The ledger's history is not thrown away; drop schema etl by hand if you must.")
