"""The Celery app: ``celery -A workers.app worker -Q extract``.

Importing it reads the settings, because Celery needs the broker's address before anything else.
"""

from __future__ import annotations

from celery import Celery

from dental_etl.exceptions import ETLPipelineError
from workers import signals
from workers.celeryconfig import celery_settings
from workers.process import settings

try:
    _settings = settings()
except ETLPipelineError as error:
    # Celery would bury the sentence under two tracebacks of its own.
    raise SystemExit(f"{error.code}: {error}") from None

app = Celery("dental_etl")
app.conf.update(celery_settings(_settings))
app.set_default()
signals.connect()
