"""Counted rows in SQL that every MySQL and MariaDB understands."""

from __future__ import annotations

_DIGITS = " UNION ALL ".join(f"SELECT {digit} AS digit" for digit in range(10))


def counted(first: int, last: int) -> str:
    """Return what stands behind FROM for the numbers of a range, both ends included, in order, as `seq`.

    MariaDB would have its sequence engine for that; MySQL has nothing.
    """
    rows = last - first + 1
    places = range(len(str(rows - 1)))
    value = " + ".join(f"{10**place} * d{place}.digit" for place in places)
    digits = " CROSS JOIN ".join(f"({_DIGITS}) AS d{place}" for place in places)
    # A derived table keeps its order only with a limit.
    return f"(SELECT {first} + {value} AS seq FROM {digits} ORDER BY seq LIMIT {rows}) AS numbers"
