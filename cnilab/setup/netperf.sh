#!/usr/bin/env bash
# Puts netperf and netserver into PREFIX/bin (a virtual environment) without changing the machine.
#
#   cnilab/setup/netperf.sh .venv
#
# netperf lies in Debian's non-free and Ubuntu's multiverse, which most machines do not have switched on (from
# version 2.7.1, Debian 13, it is free and lies in main). Adding such a source to the machine is not this project's to do, so apt-get is handed a list of its own, made from the
# mirror, suite and keyring that the machine already uses; the package is checked against that keyring,
# downloaded and unpacked into PREFIX/opt/netperf. It is never installed: no root, no service, no dpkg entry.
#
# Exit 0: netperf can be called. Exit 3: it cannot be had here. Exit 4: the archive could not be read just now, so the
# next make tries again. Either way one sentence says why, and its trials will be skipped.
set -euo pipefail

prefix=${1:?usage: netperf.sh PREFIX (for example .venv)}
home=$prefix/opt/netperf
work=

say() { printf 'setup: %s\n' "$*" >&2; }
give_up() { # reason [status]
  say "no netperf: $1. Its trials will be skipped with this reason; everything else works."
  exit "${2:-3}"
}

if [ ! -d "$prefix/bin" ]; then
  say "netperf.sh was told to install into '$prefix', which has no bin/ folder; create it first: python3 -m venv $prefix"
  exit 2
fi
prefix=$(cd "$prefix" && pwd)
home=$prefix/opt/netperf

works() { # the program and its partner start: each prints its version and ends
  local program
  for program in netperf netserver; do
    [[ $("$1/$program" -V 2>&1) == *[Nn]et*version* ]] || return 1
  done
}

if works "$prefix/bin"; then
  say "netperf is already in $prefix/bin"
  exit 0
fi
for dir in /usr/local/bin /usr/bin; do
  if works "$dir"; then
    say "netperf is already on this machine: $dir/netperf"
    exit 0
  fi
done
for program in apt-get dpkg-deb; do
  command -v "$program" >/dev/null ||
    give_up "'$program' is not on this machine, so it is no Debian or Ubuntu; install netperf by your system's own way and run make again"
done

# The machine's own archive: the line whose Origin is Debian or Ubuntu or, where apt has no lists yet and knows no
# Origin, whose suite has the release's name. "-updates" and "-security" do not carry netperf.
# shellcheck disable=SC1091
codename=$(. /etc/os-release 2>/dev/null && echo "${VERSION_CODENAME:-}") || codename=
# shellcheck disable=SC2016  # $(ORIGIN) and its friends are apt's, not the shell's
targets=$(apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(SIGNED_BY)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null) ||
  give_up "apt-get could not read this machine's package sources; try: apt-get indextargets"
chosen=$(awk -F'|' -v codename="$codename" '
  $5 != "main" || $3 ~ /-(updates|security|backports|proposed)/ { next }
  $1 == "Debian" || $1 == "Ubuntu" || ($1 == "" && $3 == codename && codename != "") {
    if ($3 == codename) { print; found = 1; exit }
    if (other == "") other = $0
  }
  END { if (!found && other != "") print other }' <<<"$targets")
[ -n "$chosen" ] || give_up "none of this machine's apt sources is a Debian or Ubuntu archive for '${codename:-an unknown release}'"
IFS='|' read -r origin uri suite key _ <<<"$chosen"
if [ -z "$origin" ]; then
  # shellcheck disable=SC1091
  origin=$(. /etc/os-release && case "${ID:-} ${ID_LIKE:-}" in *ubuntu*) echo Ubuntu ;; *) echo Debian ;; esac)
fi
case $origin in
  Ubuntu) free="main universe" nonfree=multiverse keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg ;;
  *) free=main nonfree=non-free keyring=/usr/share/keyrings/debian-archive-keyring.gpg ;;
esac
case $key in
  /*) keyring=$key ;; # a key written out inside the source's own file cannot be named here: take the distribution's
esac
option=
[ -r "$keyring" ] && option="[signed-by=$keyring] "

mkdir -p "$prefix/opt"
work=$(mktemp -d "$prefix/opt/.netperf.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# Everything apt writes goes into $work. Hooks of the machine's own apt configuration (cache cleaners, desktop
# catalogues) have no business here; its proxy settings do, so the configuration itself stays in force.
mkdir -p "$work"/{lists/partial,cache/archives/partial,deb,root}
cat >"$work/apt.conf" <<CONF
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::Etc::sourcelist "$work/private.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
Dir::Cache::archives "$work/cache/archives";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
CONF
private_apt() { (cd "$work/deb" && apt-get -q -c "$work/apt.conf" "$@") >>"$work/log" 2>&1; }
why() { grep -E '^(E|Err|W):?' "$work/log" | tail -n 1 | sed 's/^[EW]: *//; s/[.[:space:]]*$//'; }

ldconfig=$(command -v ldconfig || echo /sbin/ldconfig)
have_sctp=yes
if [[ $("$ldconfig" -p 2>/dev/null) != *libsctp.so.1* ]]; then
  have_sctp=no # netperf is linked to it; it is small and is unpacked beside netperf
fi
fetch() { # from these components
  printf 'deb %s%s %s %s\n' "$option" "$uri" "$suite" "$*" >"$work/private.list"
  private_apt update || give_up "apt-get could not read '$*' of '$suite' ($(why))" 4
  private_apt download netperf
}
say "fetching netperf from this machine's own $origin archive ($suite, $nonfree)"
components=$nonfree
[ "$have_sctp" = yes ] || components="$free $nonfree" # the library lies there
# shellcheck disable=SC2086  # a list
if ! fetch $components; then
  components="$free $nonfree" # newer releases carry netperf 2.7.1 under a free licence
  fetch $components || give_up "'$components' of '$suite' has no netperf for $(dpkg --print-architecture) ($(why))"
fi
if [ "$have_sctp" = no ]; then
  private_apt download libsctp1 || private_apt download libsctp1t64 ||
    give_up "the library libsctp1, which netperf needs, could not be fetched ($(why))" 4
fi
for deb in "$work"/deb/*.deb; do
  dpkg-deb -x "$deb" "$work/root" || give_up "'${deb##*/}' could not be unpacked into $prefix/opt; is the disk full? see: df -h $prefix"
done

for name in netperf netserver; do
  [ -x "$work/root/usr/bin/$name" ] || give_up "the package holds no usr/bin/$name"
done
rm -rf "$home"
mv "$work/root" "$home"
for name in netperf netserver; do
  target=$home/usr/bin/$name
  if [ "$have_sctp" = yes ]; then
    ln -sfn "../${target#"$prefix"/}" "$prefix/bin/$name"
  else
    library=$(find "$home" -name 'libsctp.so.1' | head -n 1)
    rm -f "$prefix/bin/$name"
    # shellcheck disable=SC2016  # for the wrapper's own shell
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" exec "%s" "$@"\n' \
      "${library%/*}" "$target" >"$prefix/bin/$name"
    chmod 755 "$prefix/bin/$name"
  fi
done
works "$prefix/bin" || give_up "the unpacked netperf does not start: $("$prefix/bin/netperf" -V 2>&1 | head -n 1)"
say "netperf is in $prefix/bin (unpacked, not installed; its licence: $home/usr/share/doc/netperf/copyright)"
