#!/usr/bin/env bash
# Installs the system packages of one or more sets of packages.txt that this machine lacks.
#
#   cnilab/setup/system.sh lab            prints what it will install, then installs it (as root or through sudo)
#   cnilab/setup/system.sh --list lab     prints what is missing, one package a line, and changes nothing
#
# Only missing packages are installed, without recommended ones; nothing is ever removed. A package that this release
# does not have is named and left out: cnilab runs with what there is, and `cnilab doctor` says what that means.
# Services that come with a package are neither started nor left enabled.
#
# Exit 0: nothing more can be done here. Exit 3: something is missing that another try could bring.
set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
list=$here/packages.txt

say() { printf 'setup: %s\n' "$*" >&2; }
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
sets=$(awk '!/^#/ && NF { print $1 }' "$list" | sort -u | xargs)
check_sets() {
  local set
  for set in "$@"; do
    case " $sets " in
      *" $set "*) ;;
      *) say "'$set' is no set of $list; the sets are: $sets"; exit 2 ;;
    esac
  done
}
rows() { awk -v wanted=" $* " '!/^#/ && index(wanted, " " $1 " ") { print $2, $3, $4 }' "$list"; }

missing() { # package (or a|b) of every row that neither its program nor its package satisfies
  local package program candidate found
  while read -r package program _; do
    found=no
    if [ "$program" != - ] && command -v "$program" >/dev/null; then
      found=yes
    elif command -v dpkg-query >/dev/null; then
      for candidate in ${package//|/ }; do installed "$candidate" && found=yes; done
    elif [ "$program" = - ]; then
      found=yes # a library on a system without dpkg: its compiler will tell
    fi
    [ "$found" = yes ] || echo "$package"
  done < <(rows "$@")
  # Debian and Ubuntu take ensurepip out of python3 and put it into python3-venv.
  local python=${PYTHON:-python3}
  if [[ " $* " == *" lab "* ]] && command -v "$python" >/dev/null && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    "$python" -c 'import sys; print("python%d.%d-venv|python3-venv" % sys.version_info[:2])'
  fi
}

# ---- the part that needs root ----------------------------------------------------------------------------------

policy=/usr/sbin/policy-rc.d
our_policy=no
log=

hold_services() { # while we install, the named services are not to be started; Debian asks policy-rc.d
  [ $# -gt 0 ] && [ ! -e "$policy" ] || return 0
  our_policy=yes
  # Should this script be killed before it can remove the file, the file lets everything through and removes itself.
  cat >"$policy" <<POLICY
#!/bin/sh
# written by $0 for the time of one installation
kill -0 $$ 2>/dev/null || { rm -f "\$0"; exit 0; }
case "\$1" in $(IFS='|'; printf '%s' "$*")|$(printf '%s.service|' "$@")-) exit 101 ;; esac
exit 0
POLICY
  chmod 755 "$policy"
}
release_services() { if [ "$our_policy" = yes ]; then rm -f "$policy"; fi; }

keep_off() { # a service that came with a package we installed: stopped, and not started at boot
  local service
  for service in "$@"; do
    if command -v systemctl >/dev/null; then
      systemctl --quiet disable "$service.service" >/dev/null 2>&1 || true
      if [ -d /run/systemd/system ]; then systemctl --quiet stop "$service.service" >/dev/null 2>&1 || true; fi
    elif [ -x "/etc/init.d/$service" ] && command -v update-rc.d >/dev/null; then
      update-rc.d "$service" disable >/dev/null 2>&1 || true
    fi
  done
}

apt() { env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 apt-get -q -y \
  -o Acquire::Retries=3 -o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60 -o DPkg::Lock::Timeout=300 \
  -o Dpkg::Options::=--force-confold "$@" </dev/null; }
candidate() { [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ ([^[:space:]]+) ]] && [ "${BASH_REMATCH[1]}" != '(none)' ]; }
lists=/var/lib/apt/lists
fresh_lists() { # there, and fetched within a day (a list's own time is the server's, so the time of arrival counts)
  [ -n "$(find "$lists" -maxdepth 1 -name '*Release' -print -quit 2>/dev/null)" ] &&
    [ -n "$(find "$lists" -maxdepth 1 \( -name '*Release' -o -name partial \) -cmin -1440 -print -quit)" ]
}
updated=no
update_lists() {
  say "reading the package lists (apt-get update)"
  updated=yes
  apt update >"$log" 2>&1 ||
    say "apt-get update failed ($(grep '^[EW]:' "$log" | tail -n 1)); going on with the lists that are there"
}

get() { apt install --no-install-recommends --no-remove "$@" >"$log" 2>&1; }

install_as_root() { # package or a|b …
  local wanted=("$@") choice=() unavailable=() services=() package name failed=()
  log=$(mktemp)
  trap 'release_services; rm -f "$log"' EXIT
  trap 'exit 130' INT TERM HUP
  fresh_lists || update_lists
  for package in "${wanted[@]}"; do
    local found=
    for name in ${package//|/ }; do
      if candidate "$name"; then found=$name; break; fi
    done
    if [ -n "$found" ]; then
      choice+=("$found")
      name=$(awk -v package="$package" '!/^#/ && $2 == package && $4 != "-" { print $4 }' "$list")
      [ -z "$name" ] || services+=("$name")
    else
      unavailable+=("$package")
    fi
  done
  if [ ${#choice[@]} -gt 0 ]; then
    hold_services "${services[@]}"
    if ! get "${choice[@]}"; then
      # The archive moves on: an older list may name a version that is gone.
      [ "$updated" = yes ] || { update_lists; get "${choice[@]}"; } || true
    fi
    for package in "${choice[@]}"; do # what did not come with the others is asked for alone
      if ! installed "$package" && ! get "$package"; then
        failed+=("$package")
        say "apt-get install $package failed: $(grep '^E:' "$log" | head -n 1)"
      fi
    done
    keep_off "${services[@]}"
    release_services
    our_policy=no
  fi
  if [ ${#unavailable[@]} -gt 0 ]; then
    say "this release has no package ${unavailable[*]}: what needs it will be skipped, with the reason; see: .venv/bin/cnilab doctor"
  fi
  if [ ${#failed[@]} -gt 0 ]; then
    say "not installed: ${failed[*]}; to see why, type: apt-get install ${failed[*]}"
    return 3
  fi
}

# ---- the door --------------------------------------------------------------------------------------------------

case ${1:-} in
  --install) shift; install_as_root "$@"; exit ;;
  --list) shift; check_sets "$@"; missing "$@"; exit ;;
  '') echo "usage: system.sh [--list] SET…   (the sets are in $list)" >&2; exit 2 ;;
esac

check_sets "$@"
mapfile -t wanted < <(missing "$@")
if [ ${#wanted[@]} -eq 0 ]; then
  say "all system packages for '$*' are there"
  exit 0
fi
names=${wanted[*]%%|*}
if ! command -v apt-get >/dev/null; then
  say "this system has no apt-get, so nothing was installed; missing, by their Debian names: $names. Install them by your system's own way; everything that can run without them does."
  exit 3
fi
if [ "$(id -u)" -eq 0 ]; then
  root=()
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  root=(sudo -n)
elif command -v sudo >/dev/null && [ -t 0 ] && [ -t 2 ]; then
  root=(sudo) # asks for the password
else
  say "not root, and sudo cannot be used here, so nothing was installed; missing: $names. Ask for: apt-get install --no-install-recommends $names (or: make SYSTEM_DEPS=no, to go on without a word). What needs them will be skipped."
  exit 3
fi
count=${#wanted[@]}
say "installing $count system package$([ "$count" -eq 1 ] || echo s)${root[0]:+ through sudo}: $names"
say "(to skip this: make SYSTEM_DEPS=no)"
if "${root[@]}" bash "$here/system.sh" --install "${wanted[@]}"; then
  say "system packages are there"
else
  code=$?
  [ "$code" -eq 3 ] || say "the installation ended with status $code; going on without: $names"
  exit 3
fi
