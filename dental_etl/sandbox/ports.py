"""Free ports of the loopback interface, as the kernel gives them out."""

from __future__ import annotations

import socket
from contextlib import ExitStack

from dental_etl.sandbox.state import LOOPBACK


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on; all are held open while asking, so they differ."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def is_free(port: int) -> bool:
    """Tell whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
