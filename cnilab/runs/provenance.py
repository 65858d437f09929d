"""What about this machine a reader of the results needs to know: kernel, CPU, memory, settings, versions.

Recorded before the first trial and never used to compute a result. No host name, user name or address is kept.
"""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from cnilab.measurements import programs
from cnilab.setup.programs import find

#: Programs of the testbeds' own, and what they print their version with; a measurement tells its own.
_VERSIONS = {
    "ip": ("-V",),
    "bird": ("--version",),
    "wireguard-go": ("--version",),
    "iptables-restore": ("--version",),
}
_LIBRARIES = ("cnilab", "numpy", "scipy", "pandas", "matplotlib", "papermill")


def collect() -> dict:
    """Return a flat description; a fact that cannot be read is None, never a guess."""
    return {
        "recorded_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "system": _os_name(),
        "cpu": _cpu_model(),
        "cpus_usable": len(os.sched_getaffinity(0)),
        "memory_bytes": _memory_bytes(),
        "virtualised": _virtualised(),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "load_1min": os.getloadavg()[0],
        "congestion_control_default": _read("/proc/sys/net/ipv4/tcp_congestion_control"),
        "congestion_controls": _read("/proc/sys/net/ipv4/tcp_available_congestion_control"),
        "rmem_max_bytes": _number("/proc/sys/net/core/rmem_max"),
        "wmem_max_bytes": _number("/proc/sys/net/core/wmem_max"),
        "rps_default": _read("/proc/sys/net/core/rps_default_mask"),
        "root": os.geteuid() == 0,
        "programs": {name: _version(name, flags) for name, flags in _asked().items()},
        "python": platform.python_version(),
        "libraries": {name: _library(name) for name in _LIBRARIES},
    }


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip() or None
    except OSError:
        return None


def _number(path: str) -> int | None:
    return int(text) if (text := _read(path) or "").isdigit() else None


def _os_name() -> str | None:
    for line in (_read("/etc/os-release") or "").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return None


def _cpu_model() -> str | None:
    for line in (_read("/proc/cpuinfo") or "").splitlines():
        if line.startswith(("model name", "Model")):
            return line.partition(":")[2].strip()
    return None


def _memory_bytes() -> int | None:
    for line in (_read("/proc/meminfo") or "").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return None


def _virtualised() -> bool | None:
    info = _read("/proc/cpuinfo")
    return None if info is None else " hypervisor" in info


def _asked() -> dict[str, tuple[str, ...]]:
    return {p.name: p.version for p in programs().values() if p.version} | _VERSIONS


def _version(program: str, flags: tuple[str, ...]) -> str | None:
    path = find(program)
    if path is None:
        return None
    try:
        done = subprocess.run([str(path), *flags], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0].strip()[:120] if lines else None


def _library(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
