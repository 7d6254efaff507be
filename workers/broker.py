"""What only the broker knows: whether it is the one we published to, and how much still waits in it."""

from __future__ import annotations

import secrets
from typing import Any

from celery import current_app

from workers.celeryconfig import BEAT_LOCK, KEY_PREFIX
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


def is_beat_alive() -> bool:
    """Say whether a beat holds the scheduler's lock; the lock expires a minute after its last tick."""
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # the stubs do not know the transports
        # As it stands: the transport would put its prefix before a key of its own commands.
        return bool(channel.client.eval("return redis.call('EXISTS', KEYS[1])", 1, BEAT_LOCK))


def forgets_messages() -> str | None:
    """Return the policy by which Redis may throw messages away when it is full; None when it keeps them."""
    with current_app.connection_for_read() as connection:
        channel: Any = connection.default_channel  # the stubs do not know the transports
        policy = str(channel.client.info("memory").get("maxmemory_policy", "noeviction"))
        return None if policy == "noeviction" else policy


def consumers() -> dict[Queue, int]:
    """Ask every worker for the queues that it takes from, and wait a second and a half for answers."""
    answers = current_app.control.inspect(timeout=1.5).active_queues() or {}
    names = [queue["name"] for queues in answers.values() for queue in queues]
    return {queue: names.count(queue.value) for queue in Queue}
