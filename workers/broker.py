"""What only the broker knows: whether it is the one we published to, and how much still waits in it."""

from __future__ import annotations

import secrets
from typing import Any

from celery import current_app

from workers.celeryconfig import KEY_PREFIX
from workers.routing import Queue

_CANARY = f"{KEY_PREFIX}canary"
# Both in one step: of several processes that find no canary, one sets it and all see the same.
_SET_AND_GET = "redis.call('SET', KEYS[1], ARGV[1], 'NX'); return redis.call('GET', KEYS[1])"


def epoch() -> str:
    """Return a text that changes when the broker lost its memory: restarted, failed over or flushed.

    Messages that were published under another epoch have to be taken for lost.
    """
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # the stubs do not know the transports
        canary = channel.client.eval(_SET_AND_GET, 1, _CANARY, secrets.token_hex(8))
        return f"{channel.client.info('server')['run_id']}:{canary.decode()}"


def waiting_messages() -> dict[Queue, int]:
    """Return how many messages no worker has taken yet, per queue."""
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # the stubs do not know the transports
        return {queue: int(channel.client.llen(queue.value)) for queue in Queue}
