"""How many rows a table may lose before a person is asked; pure."""

from __future__ import annotations

from dental_etl.run import RefreshMode

#: So many rows may go from any table unasked.
_FREE_ROWS = 1000


def may_delete(*, rows: int, gone: int, brake_percent: int, refresh: RefreshMode) -> bool:
    """Tell whether a table may lose so many of its rows.

    Args:
        rows: Rows that it has.
        gone: Rows that would be deleted, at least.
        brake_percent: Share of its rows that may go unasked.
        refresh: A person may have confirmed that rows go.
    """
    return gone <= max(_FREE_ROWS, rows * brake_percent // 100) or refresh.confirms_deletes
