"""The Celery app: ``celery -A workers.app worker -Q extract``.

Importing it reads the settings, because Celery needs the broker's address before anything else.
"""

from __future__ import annotations

from celery import Celery

from workers import signals
from workers.celeryconfig import celery_settings
from workers.process import settings

app = Celery("dental_etl")
app.conf.update(celery_settings(settings()))
app.set_default()
signals.connect()
