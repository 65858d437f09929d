"""Compile cnilab's own small C programs, once, into the environment that cnilab is installed in.

The eBPF IP-in-IP program needs ``bpf-gcc`` (Debian's gcc-bpf) or ``clang``; flannel's UDP proxy and the load
generator ``pacer`` any C compiler. Without one, what needs them is skipped with the reason; nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from cnilab.errors import Unavailable

PACKAGE = Path(__file__).parents[1]
_MULTIARCH = f"/usr/include/{platform.machine()}-linux-gnu"
_BPF_FLAGS = ["-O2", "-I/usr/include", f"-I{_MULTIARCH}", "-c"]

_C = (["cc", "-O2"], ["gcc", "-O2"], ["clang", "-O2"])

#: name -> (source in the package, compilers with their flags in order of preference, package that has one)
PROGRAMS = {
    "ipip.bpf.o": (
        "testbeds/lab/ipip.bpf.c",
        (
            ["bpf-gcc", "-mcpu=v3", "-fno-strict-aliasing", *_BPF_FLAGS],
            ["clang", "-target", "bpf", "-mcpu=v3", *_BPF_FLAGS],
        ),
        "gcc-bpf",
    ),
    "udp_proxy": ("testbeds/lab/udp_proxy.c", _C, "gcc libc6-dev"),
    "pacer": ("measurements/pacer/pacer.c", _C, "gcc libc6-dev"),
}


def _folder() -> Path:
    """Where compiled programs are kept: inside the environment, else in the user's cache."""
    inside = Path(sys.prefix) / "share" / "cnilab"
    if os.access(inside if inside.exists() else sys.prefix, os.W_OK):
        return inside
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "cnilab"


@cache
def built(name: str) -> Path:
    """Return the compiled program ``name``, compiling it if its source has changed since.

    Raises
    ------
    Unavailable
        If no compiler is there or it refuses; the message holds its words and the package to install.
    """
    source_name, compilers, package = PROGRAMS[name]
    source = PACKAGE / source_name
    digest = hashlib.sha256(source.read_bytes() + repr(compilers).encode()).hexdigest()[:12]
    target = _folder() / f"{name}-{digest}"
    if target.exists():
        return target
    compiler = next((c for c in compilers if shutil.which(c[0])), None)
    if compiler is None:
        names = " or ".join(c[0] for c in compilers)
        raise Unavailable(f"no compiler for {source_name} ({names})", f"apt-get install {package}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"nowhere to keep what {compiler[0]} makes: {error}; set XDG_CACHE_HOME") from error
    part = target.with_name(f".{target.name}.{os.getpid()}")
    done = subprocess.run([*compiler, str(source), "-o", str(part)], capture_output=True, text=True)
    if done.returncode:
        part.unlink(missing_ok=True)
        raise Unavailable(f"{compiler[0]} could not compile {source_name}: {done.stderr.strip()[-500:]}")
    part.replace(target)
    return target
