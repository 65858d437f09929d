#!/usr/bin/env bash
# Makes or repairs the private Python environment and puts the locked packages and cnilab itself into it.
#
#   cnilab/setup/venv.sh .venv
#
# Every package comes from constraints.txt, by hash. uv does it where it can be had (seconds), pip where it cannot
# (a minute); NO_UV=1 asks for pip. Caches stay inside the checkout, in .cache/.
set -euo pipefail

venv=${1:?usage: venv.sh DIR (for example .venv)}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
cd "$root"
lock=constraints.txt

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

[ -r "$lock" ] || die "'$lock' is not in $root; get it back with: git checkout $lock"

# ---- a Python of 3.11 or newer: $PYTHON if given, else python3, else any newer one beside it --------------------
python=
for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
  if command -v "$name" >/dev/null && new_enough "$name"; then python=$name; break; fi
done
if [ -z "$python" ]; then
  found=${PYTHON:-python3}
  version=$("$found" -V 2>&1) || version="no '$found' on this machine"
  die "cnilab needs Python 3.11 or newer and found $version. Install one (for example: sudo apt-get install python3.11 python3.11-venv) and type: make PYTHON=python3.11"
fi

# ---- the environment: kept if it works and was made here, made again if not ------------------------------------
mkdir -p .cache
exec 9>.cache/setup.lock
if command -v flock >/dev/null; then flock 9; fi # a second make in another window waits here
case $venv in /*) ;; *) venv=$root/$venv ;; esac
bin=$venv/bin
usable() {
  [ -x "$bin/python" ] && new_enough "$bin/python" && "$bin/python" -m pip --version >/dev/null 2>&1 &&
    [[ $(head -n 2 "$bin/pip") == *"$bin/python"* ]]
}
if ! usable; then
  if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    die "$python cannot make a virtual environment: its venv and ensurepip modules are missing. Type: sudo apt-get install $package"
  fi
  say "making $venv with $("$python" -V)"
  "$python" -m venv --clear "$venv" || die "'$python -m venv $venv' failed; is the disk full? see: df -h ."
fi

export PIP_CACHE_DIR=${PIP_CACHE_DIR:-$root/.cache/pip} PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0
export UV_CACHE_DIR=${UV_CACHE_DIR:-$root/.cache/uv} UV_LINK_MODE=${UV_LINK_MODE:-hardlink}
# uv does not read pip's settings: a mirror or certificate that pip was given holds for it too.
index=${PIP_INDEX_URL:-$("$bin/python" -m pip config get global.index-url 2>/dev/null || true)}
[ -z "$index" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}
log=.cache/install.log
cause() { grep -iE '^ *(error|×|caused by)|error:|hash' "$log" | tail -n 3 | cut -c 1-300 | sed 's/^/  /'; }

# ---- uv, from the same lock ------------------------------------------------------------------------------------
uv=
if [ -z "${NO_UV:-}" ]; then
  # the lock's own entry for uv: the line 'uv==… \' and the hashes under it
  awk '/^[A-Za-z0-9]/ { on = /^uv==/ } on' "$lock" >.cache/uv.txt
  if "$bin/python" -m pip install -q --no-deps --only-binary :all: --require-hashes -r .cache/uv.txt >"$log" 2>&1; then
    uv=$bin/uv
  else
    say "uv cannot be had here; using pip"
  fi
fi

# ---- the locked packages ---------------------------------------------------------------------------------------
installed=no
if [ -n "$uv" ]; then
  say "installing the packages of $lock with uv"
  if VIRTUAL_ENV=$venv "$uv" pip install -q --require-hashes --python "$bin/python" -r "$lock" >"$log" 2>&1; then
    installed=yes
  else
    say "uv could not install them; trying pip. uv said:"
    cause >&2
  fi
fi
if [ "$installed" = no ]; then
  say "installing the packages of $lock with pip (a minute or two)"
  "$bin/python" -m pip install -q --retries 3 --require-hashes -r "$lock" >"$log" 2>&1 || {
    cause >&2
    die "pip could not install $lock. If the network is down, run make again when it is back; all it said is in $log"
  }
fi

# ---- cnilab itself, editable; setuptools comes from the lock, so nothing is fetched ----------------------------
"$bin/python" -m pip install -q --no-deps --no-build-isolation --no-index -e . >"$log" 2>&1 || {
  cause >&2
  die "cnilab itself could not be installed into $venv; all that was said is in $log. When it is mended, type: make setup"
}
"$bin/python" -c 'import cnilab' || die "cnilab is installed in $venv but cannot be imported (see above); to start again, type: make distclean setup"
say "cnilab and its packages are in $venv ($("$bin/python" -V), $(awk '/^[A-Za-z0-9].*==/ { n++ } END { print n }' "$lock") packages locked)"
