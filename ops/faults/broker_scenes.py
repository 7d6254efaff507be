"""Faults of the broker: killed, emptied, frozen, cut off, impatient, repeating itself."""

from __future__ import annotations

import time
from signal import SIGCONT, SIGSTOP

from dental_etl.run import TableStatus
from dental_etl.sandbox.state import ServerName
from ops.faults.theatre import LONG_TABLE, SPEED, Theatre, require, until
from workers.routing import Queue

_FROZEN_SECONDS = 60.0


def redis_killed_with_aof(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.BROKER)
    time.sleep(3.0)
    theatre.revive()
    night.end()


def redis_killed_without_aof(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.stop_server(ServerName.BROKER)
    theatre.forget_broker_data()
    time.sleep(3.0)
    theatre.revive()
    night.end()


def redis_flushed(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    with theatre.redis() as client:
        client.flushall()
    night.end()


def redis_frozen(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    theatre.signal_server(ServerName.BROKER, SIGSTOP)
    try:
        time.sleep(_FROZEN_SECONDS)
    finally:
        theatre.signal_server(ServerName.BROKER, SIGCONT)
    night.end()


def redis_connections_cut(theatre: Theatre) -> None:
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    with theatre.redis() as client:
        for _ in range(3):
            client.client_kill_filter(_type="normal", skipme=True)
            client.client_kill_filter(_type="pubsub", skipme=True)
            time.sleep(1.0)
    night.end()


def messages_twice(theatre: Theatre) -> None:
    """Every table's messages are delivered three times, in the wrong order too."""
    night = theatre.start_night()
    night.await_table(LONG_TABLE)
    for name, result in night.results().items():
        for task, queue in (
            ("etl.load", Queue.LOAD),
            ("etl.extract", Queue.EXTRACT),
            ("etl.load", Queue.LOAD),
        ):
            theatre.send(task, queue, night.run_id, name, result.category.value)
    theatre.send("etl.finalise", Queue.CONTROL, night.run_id, "faults")
    theatre.send("etl.plan", Queue.CONTROL, night.run_id)
    night.end()
    theatre.send("etl.report", Queue.CONTROL, night.run_id)
    theatre.send("etl.notify", Queue.CONTROL, night.run_id)
    until(
        lambda: theatre.log("steering").count("Task etl.notify") >= 4, "the second notify"
    )  # received, succeeded


def visibility_timeout_shorter_than_a_table(theatre: Theatre) -> None:
    for name in ("reading", "writing"):
        theatre.lose_host(name)
        theatre.start_host(name, app="ops.faults.impatient")
    theatre.speed(SPEED / 4)
    night = theatre.start_night()
    until(
        lambda: night.results().get(LONG_TABLE) and night.table(LONG_TABLE).status is TableStatus.EXTRACTED,
        f"the extract of {LONG_TABLE}",
    )
    night.end()
    again = theatre.log("reading").count("Restoring") + theatre.log("reading").count("dropped")
    require(that=again > 0, otherwise="no message was delivered twice: the timeout was not too short")
    for name in ("reading", "writing"):
        theatre.lose_host(name)
