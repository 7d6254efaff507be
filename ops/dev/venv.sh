#!/bin/sh
# Make .venv from the locked requirements. Says what to install when the machine lacks it.
set -eu

fail() { printf '%s\n' "$*" >&2; exit 2; }

python=""
for candidate in "${PYTHON:-}" python3.11 python3.12 python3.13 python3; do
    [ -n "$candidate" ] || continue
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || fail "dental_etl needs Python 3.11 or newer. On Debian: apt-get install python3 python3-venv"

if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        echo "Installing python3-venv"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    else
        fail "$python cannot make virtual environments. Run as root: apt-get install python3-venv"
    fi
fi

[ -x .venv/bin/python ] && .venv/bin/python -c 'import sys' 2>/dev/null || { rm -rf .venv; "$python" -m venv .venv; }

echo "Installing the locked requirements into .venv (about a minute the first time)"
# --no-deps: the lock is complete, so nothing that it does not name may be installed.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
.venv/bin/python -m pip check --disable-pip-version-check >/dev/null || fail "The locked requirements contradict each other: .venv/bin/python -m pip check"
touch .venv/.installed
