"""Exit code 0 while a beat holds the scheduler's lock in Redis: the health check of the beat container.

Beat answers no remote control; the lock expires a minute after its holder stops ticking.
"""

from __future__ import annotations

import sys

from redbeat.schedulers import RedBeatConfig, get_redis

from beat.app import app

sys.exit(0 if get_redis(app).exists(RedBeatConfig(app).lock_key) else 1)
