"""Flower's settings: ``celery -A workers.app flower --conf=ops/flower/flowerconfig.py``.

Without a password Flower shows everything to everybody who reaches its port, so it does not start
without one. It only looks: tables are rerun from the shell or the command line. ``/metrics`` and
``/healthcheck`` stay open by Flower's design: names and durations of tasks, no arguments. So another
address than the loopback's has to be asked for twice.
"""

from __future__ import annotations

import os
import sys

_credentials = os.environ.get("FLOWER_BASIC_AUTH", "")
if ":" not in _credentials.strip(":"):
    sys.exit("Flower needs FLOWER_BASIC_AUTH=user:password in its environment; it does not start without.")

basic_auth = _credentials.split(",")
address = os.environ.get("FLOWER_ADDRESS", "127.0.0.1")
if address not in {"127.0.0.1", "::1", "localhost"} and os.environ.get("FLOWER_OPEN_METRICS") != "yes":
    sys.exit(
        f"Flower answers /metrics and /healthcheck without a password, and FLOWER_ADDRESS is {address}. Leave it at "
        f"127.0.0.1 and come through a tunnel or a proxy; or set FLOWER_OPEN_METRICS=yes where only your own "
        f"network reaches that address."
    )
port = int(os.environ.get("FLOWER_PORT", "5555"))
url_prefix = os.environ.get("FLOWER_URL_PREFIX", "")

read_only = True
persistent = True
db = os.environ.get("FLOWER_DB", "flower.db")
state_save_interval = 60_000  # milliseconds; otherwise only saved at a clean end
max_tasks = 50_000  # some weeks of nights with 400 tables and 900 nodes of dbt
purge_offline_workers = 24 * 3600
inspect_timeout = 5_000.0

#: Arguments are run id, table and category; results are counts; exceptions are codes.
tasks_columns = "name,uuid,state,args,result,exception,received,started,runtime,retries,worker"
auto_refresh = True
natural_time = False
