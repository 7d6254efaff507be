"""Celery's settings, each odd one with its reason. Nothing is read from the environment here."""

from __future__ import annotations

from typing import Any

from dental_etl.config import Settings
from dental_etl.run_window import CENTRAL
from workers.routing import Queue, broker_queues, task_routes

KEY_PREFIX = "etl:"
#: Key in Redis that the beat at work holds, and renews at every tick.
BEAT_LOCK = f"{KEY_PREFIX}redbeat:lock"
_LOG_FORMAT = (
    "%(asctime)s %(levelname)-7s %(processName)s run=%(run_id)s table=%(table)s %(name)s: %(message)s"
)


def celery_settings(settings: Settings) -> dict[str, Any]:
    """Return everything that ``app.conf`` is updated with."""
    return {**_broker(settings), **_tasks(), **_worker(), **_beat()}


def _broker(settings: Settings) -> dict[str, Any]:
    return {
        "broker_url": settings.broker_url,
        "result_backend": settings.result_backend,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # 100 by default: a long outage would end every worker
        "broker_transport_options": {
            # Longer than the longest table with its wait, shorter than the way to the next night. A dead
            # worker's message comes back after that and finds its run ended; the sweep is what recovers it.
            "visibility_timeout": 43_200,
            "global_keyprefix": KEY_PREFIX,
            "socket_keepalive": True,
            "health_check_interval": 25,  # notices a half-open connection
        },
        "result_backend_transport_options": {"global_keyprefix": KEY_PREFIX},
        "redis_socket_keepalive": True,
        "result_expires": 3 * 24 * 3600,
        "result_extended": False,  # arguments are in the events already; less at rest
    }


def _tasks() -> dict[str, Any]:
    return {
        # JSON only: a pickle would run whatever someone puts into Redis, and could carry rows.
        "task_serializer": "json",
        "result_serializer": "json",
        "accept_content": ["json"],
        "result_accept_content": ["json"],
        "timezone": CENTRAL.key,
        "enable_utc": True,
        "task_queues": broker_queues(),
        "task_default_queue": Queue.CONTROL.value,
        "task_create_missing_queues": False,  # a typing error fails instead of waiting for ever
        "task_routes": task_routes(),
        # A message is given back only when its work is done, so a killed worker loses nothing ...
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        # ... and a table that kills its worker does so `max_retries` times, not for ever.
        "task_retry_on_worker_lost": True,
        # Flower hears of it by an event; storing it as well took five commands for each load.
        "task_track_started": False,
        "task_send_sent_event": True,
        # Would attach the finaliser to each of 400 tables; it belongs to the chord's body only.
        "task_allow_error_cb_on_chord_header": False,
        "task_store_errors_even_if_ignored": True,
    }


def _worker() -> dict[str, Any]:
    return {
        "imports": (
            "workers.tasks.nightly",
            "workers.tasks.tables",
            "workers.tasks.reporting",
            "workers.tasks.transform",
            "workers.tasks.upkeep",
        ),
        # With late acknowledgement: nothing is reserved behind a long table.
        "worker_prefetch_multiplier": 1,
        "worker_send_task_events": True,
        # True turned five seconds without Redis into a lost table: its child is killed, then acknowledged.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "worker_soft_shutdown_timeout": 60,
        # True would keep every idle worker for those 60 seconds; what a worker held back for a retry is
        # handed back at its end, or found by the sweep.
        "worker_enable_soft_shutdown_on_idle": False,
        # What drivers keep is given back now and then; a new process parses tables.yml and connects anew, so
        # 50 tasks cost as much in new processes as in work.
        "worker_max_tasks_per_child": 1_000,
        "worker_max_memory_per_child": 1_500_000,  # KiB
        "worker_hijack_root_logger": True,
        "worker_redirect_stdouts": False,
        "worker_log_format": _LOG_FORMAT,
        "worker_task_log_format": _LOG_FORMAT,
    }


def _beat() -> dict[str, Any]:
    return {
        "redbeat_redis_options": {"socket_keepalive": True, "retry_period": 30},
        "redbeat_key_prefix": f"{KEY_PREFIX}redbeat:",
        "redbeat_lock_key": BEAT_LOCK,
        # A standby takes over about a minute after the holder's death; the default is 25 minutes.
        "redbeat_lock_timeout": 60,
        "beat_max_loop_interval": 15,
        "beat_cron_starting_deadline": None,  # catch up; guard and ledger decide whether it is too late
    }
