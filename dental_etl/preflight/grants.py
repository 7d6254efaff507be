"""What an account may do, read from ``SHOW GRANTS``; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

#: Rights that look and change nothing, by MySQL's and MariaDB's names. Whatever is not named here is taken
#: for a right to change something: servers keep inventing new ones.
_READING = frozenset({
    "USAGE", "SELECT", "SHOW VIEW", "SHOW DATABASES", "PROCESS", "REPLICATION CLIENT", "BINLOG MONITOR",
    "SLAVE MONITOR", "REPLICA MONITOR", "SHOW_ROUTINE",
})  # fmt: skip
_GRANT = re.compile(r"^GRANT (?P<rights>.+?) ON (?P<object>.+) TO ", re.IGNORECASE)
_ROLE = re.compile(r"^GRANT (?P<roles>[`'\"].+?) TO ", re.IGNORECASE)
_COLUMNS = re.compile(r"\([^)]*\)")


def writing_rights(grants: Iterable[str]) -> tuple[str, ...]:
    """Return the rights beyond reading, each with what it is held on: ``INSERT on `opendental`.*``.

    Args:
        grants: Lines of ``SHOW GRANTS``, the granted roles included.
    """
    return tuple(dict.fromkeys(right for line in grants for right in _writing_rights(line)))


def roles(grants: Iterable[str]) -> tuple[str, ...]:
    """Return the granted roles, each quoted as the server printed it."""
    found = (_ROLE.match(line) for line in grants if not _GRANT.match(line))
    return tuple(role.strip() for match in found if match for role in match["roles"].split(","))


def _writing_rights(line: str) -> Iterator[str]:
    match = _GRANT.match(line)
    if match is None:
        return
    rights = [right.strip().upper() for right in _COLUMNS.sub("", match["rights"]).split(",")]
    if "WITH GRANT OPTION" in line.upper():
        rights.append("GRANT OPTION")
    yield from (f"{right} on {match['object']}" for right in rights if right not in _READING)
