# Sourced by the scripts beside it: finds a Python, makes the environment once, and installs from the lock file.
#
#   source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   setup core      # the package alone; `setup dev` adds every extra and the development tools
#   "$BIN/ensemble" ...
#
# ENSEMBLE_VENV moves the environment away from .venv. Written for bash 3.2 and later.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
VENV=${ENSEMBLE_VENV:-$ROOT/.venv}
case $VENV in /*) ;; *) VENV=$PWD/$VENV ;; esac
BIN=$VENV/bin

# Someone else's Python settings must not reach our environment, and without .pyc files every start costs twice.
unset PYTHONHOME PYTHONPATH PIP_USER PIP_TARGET PIP_PREFIX PYTHONDONTWRITEBYTECODE

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

say() { printf '%s\n' "$*" >&2; }

# Prints the first Python that is new enough and can make environments.
find_python() {
  local name without_venv=""
  for name in python3.13 python3.12 python3.11 python3; do
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    if "$name" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      command -v "$name"
      return
    fi
    without_venv=${without_venv:-$name}
  done
  [ -n "$without_venv" ] || die "Python 3.11 or newer is needed and none is on PATH (python3 here:" \
    "$(python3 --version 2>&1 || true)); on Debian or Ubuntu: apt-get install python3.11 python3.11-venv"
  local version
  version=$("$without_venv" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  die "$without_venv cannot make an environment, its venv module is missing; on Debian or Ubuntu:" \
    "apt-get install python$version-venv"
}

# What was installed: the level, and what it was installed from. The path is part of it since environments cannot move.
stamp_of() { printf '%s %s %s' "$1" "$(cat "$ROOT/pyproject.toml" "$ROOT/requirements.lock" | cksum)" "$ROOT"; }

is_set_up() {
  local stamp
  [ -x "$BIN/python" ] && stamp=$(cat "$VENV/ensemble-stamp" 2>/dev/null) || return 1
  [ "$stamp" = "$(stamp_of dev)" ] || [ "$stamp" = "$(stamp_of "$1")" ]
}

make_venv() {
  if [ -e "$VENV" ] && [ ! -e "$VENV/pyvenv.cfg" ] && [ -n "$(ls -A "$VENV")" ]; then
    die "$VENV exists and is no Python environment: name another with ENSEMBLE_VENV"
  fi
  local stamp python
  stamp=$(cat "$VENV/ensemble-stamp" 2>/dev/null || true)
  # Kept where it works and was made for this folder; after a move, or when its Python is gone, it is made anew.
  if "$BIN/python" -m pip --version >/dev/null 2>&1 && { [ -z "$stamp" ] || [ "${stamp% "$ROOT"}" != "$stamp" ]; }; then
    return
  fi
  python=$(find_python) || exit 1
  "$python" -m venv --clear "$VENV" || die "$python could not make the environment $VENV"
}

install_level() {
  is_set_up "$1" && return # another run may have finished while this one waited for the lock
  make_venv
  local level=$1
  # An environment that has the tools keeps them, whoever asks.
  case $(cat "$VENV/ensemble-stamp" 2>/dev/null) in dev*) level=dev ;; esac
  say "Installing ensemble-judges ($level) into $VENV, once; this takes about a minute."
  rm -f "$VENV/ensemble-stamp"
  ( # joined by &&, since bash has no `set -e` on the left of ||
    cd "$ROOT" &&
      "$BIN/python" scripts/requirements.py "$level" >"$VENV/requirements.txt" &&
      "$BIN/python" -m pip install -qq --disable-pip-version-check --no-input \
        -c requirements.lock -r "$VENV/requirements.txt"
  ) || die "pip could not install what pyproject.toml names; its reason stands above"
  "$BIN/python" -m compileall -q "$ROOT/ensemble" "$ROOT/judges" >/dev/null || true
  stamp_of "$level" >"$VENV/ensemble-stamp"
}

# setup core|dev: returns at once where the environment is already right.
setup() {
  is_set_up "$1" && return
  mkdir -p "$(dirname "$VENV")"
  if command -v flock >/dev/null; then
    exec 9>"$VENV.lock"
    flock 9
  fi
  install_level "$1"
  exec 9>&-
}
