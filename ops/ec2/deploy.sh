#!/bin/sh
# Put a version of dental_etl on this host and restart what runs here. Run it as root:
#
#   ops/ec2/deploy.sh REPOSITORY VERSION UNIT...
#   ops/ec2/deploy.sh <repository's address> v0.1.0 dental-worker@extract dental-worker@load
#
# Units: dental-worker@{control,extract,large,load,dbt}, dental-beat, dental-flower. Tables at work are
# handed back to the queue and go on from their checkpoint, so a deployment in the night loses nothing.
# To go back, deploy the earlier version. Needs git, Python 3.11 with venv, and /etc/dental_etl/environment
# (see .env.example; owned by root, mode 0600).
set -eu

PROJECT=/opt/dental_etl
SETTINGS=/etc/dental_etl/environment
PYTHON=${PYTHON:-python3.11}

fail() { printf 'deploy: %s\n' "$*" >&2; exit 2; }
pip() { "$environment/bin/python" -m pip --quiet --disable-pip-version-check "$@"; }

[ $# -ge 3 ] || fail "usage: deploy.sh REPOSITORY VERSION UNIT..."
[ "$(id -u)" = 0 ] || fail "run it as root"
[ -f "$SETTINGS" ] || fail "$SETTINGS is missing; write it after .env.example"
command -v git >/dev/null || fail "git is not installed"
"$PYTHON" -c 'import venv, ensurepip' 2>/dev/null || fail "$PYTHON with venv is not installed"
repository=$1 version=$2
shift 2
for unit in "$@"; do
    case $unit in
    dental-worker@control | dental-worker@extract | dental-worker@large | dental-worker@load | dental-worker@dbt) ;;
    dental-beat | dental-flower) ;;
    *) fail "there is no unit $unit" ;;
    esac
done

id dental_etl >/dev/null 2>&1 ||
    useradd --system --user-group --home-dir /var/lib/dental_etl --shell /usr/sbin/nologin dental_etl

[ -d "$PROJECT/.git" ] || git clone --quiet "$repository" "$PROJECT"
cd "$PROJECT"
git remote set-url origin "$repository"
git fetch --quiet --tags --force origin
commit=$(git rev-parse --quiet --verify "$version^{commit}" || git rev-parse --quiet --verify "origin/$version^{commit}") ||
    fail "$repository has no version $version"

# Every version has a virtual environment of its own, complete before anything running is touched.
environment=$PROJECT/.venvs/$commit
if [ ! -f "$environment/.complete" ]; then
    rm -rf "$environment"
    "$PYTHON" -m venv "$environment"
    lock=$(mktemp)
    git show "$commit:requirements.txt" >"$lock"
    pip install --no-deps --require-hashes --requirement "$lock"
    rm -f "$lock"
    touch "$environment/.complete"
fi

git -c advice.detachedHead=false checkout --quiet --force "$commit"
pip install --no-deps --no-build-isolation --editable .
pip check >/dev/null
"$environment/bin/python" -m compileall -q dental_etl workers beat
chown -R dental_etl:dental_etl dbt_dental_models
ln -sfn "$environment" .venv

install -m 0755 ops/ec2/dental-etl /usr/local/bin/dental-etl
install -m 0644 ops/ec2/dental-worker@.service ops/ec2/dental-beat.service ops/ec2/dental-flower.service \
    /etc/systemd/system/
systemctl daemon-reload
systemctl enable --quiet "$@"
systemctl restart "$@"
systemctl --no-pager --lines 0 status "$@"
