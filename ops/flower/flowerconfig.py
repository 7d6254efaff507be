"""Flower's settings: ``celery -A workers.app flower --conf=ops/flower/flowerconfig.py``.

Without a password Flower shows everything to everybody who reaches its port, so it does not start
without one. It only looks: tables are rerun from the shell or the command line. ``/metrics`` and
``/healthcheck`` stay open by Flower's design, which is one more reason for the loopback address.
"""

from __future__ import annotations

import os
import sys

_credentials = os.environ.get("FLOWER_BASIC_AUTH", "")
if ":" not in _credentials.strip(":"):
    sys.exit("Flower needs FLOWER_BASIC_AUTH=user:password in its environment; it does not start without.")

basic_auth = _credentials.split(",")
address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")
port = int(os.environ.get("FLOWER_PORT", "5555"))
url_prefix = os.environ.get("FLOWER_URL_PREFIX", "")

read_only = True
persistent = True
db = os.environ.get("FLOWER_DB", "flower.db")
state_save_interval = 60_000  # milliseconds; otherwise only saved at a clean end
max_tasks = 50_000  # some weeks of nights with 400 tables
purge_offline_workers = 24 * 3600
inspect_timeout = 5_000.0

#: Arguments are run id, table and category; results are counts; exceptions are codes.
tasks_columns = "name,uuid,state,args,result,exception,received,started,runtime,retries,worker"
auto_refresh = True
natural_time = False
