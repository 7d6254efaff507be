"""What only one family of servers has, and why a test is therefore skipped."""

from __future__ import annotations

from dental_etl.sandbox.state import Kind, Sandbox


def missing(sandbox: Sandbox, only: Kind | None, what: str = "it") -> str | None:
    """Say why something cannot be tried on these servers; None if it can.

    Args:
        sandbox: The servers.
        only: The family that has it; None for both. What only MariaDB has must find it on both sides;
            what only MySQL has is the source's, and a replica of MariaDB must cope.
        what: Its name.
    """
    if only is Kind.MARIADB and Kind.MYSQL in {sandbox.source.kind, sandbox.replication.kind}:
        return f"only MariaDB has {what}"
    if only is Kind.MYSQL and sandbox.source.kind is not Kind.MYSQL:
        return f"only MySQL has {what}"
    return None
