"""The workers' app with a visibility timeout shorter than a table: ``celery -A ops.faults.impatient worker``.

Redis then gives out messages again that are still being worked.
"""

from __future__ import annotations

from workers.app import app

app.conf.broker_transport_options = {
    **app.conf.broker_transport_options,
    "visibility_timeout": 5,
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
}

__all__ = ["app"]
