"""An emulated machine with Debian's own kernel and this machine's files, read-only under a layer in memory.

For kernels that lack the devices a test is about. The kernel is downloaded and unpacked, never installed; the
machine has no network card, one processor, and ends with its one command or at a time limit.

    python -m tests.native.machine        gets the kernel, so that the test can run without a network
"""

from __future__ import annotations

import hashlib
import lzma
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "native"
QEMU = "qemu-system-x86_64"
METAPACKAGE = "linux-image-amd64"
REMEDY = "try: make native"

#: What the machine needs, what the lab builds with, what iptables asks for. Dependencies are added.
MODULES = (
    *("crc32c_generic", "virtio_pci", "virtio_rng", "9p", "9pnet_virtio", "overlay"),
    *("veth", "bridge", "br_netfilter", "vxlan", "ipip", "wireguard", "tun", "sch_ingress", "cls_bpf"),
    *("nf_tables", "nft_compat", "nft_chain_nat", "nft_masq", "nft_nat", "nft_ct"),
    *("ip_tables", "iptable_nat", "iptable_filter", "iptable_raw", "iptable_mangle"),
    *("ip_set", "ip_set_hash_net", "xt_set", "ipt_rpfilter", "xt_multiport"),
    *("xt_addrtype", "xt_comment", "xt_conntrack", "xt_mark", "xt_MASQUERADE", "xt_nat", "xt_tcpudp"),
)


class Missing(Exception):
    """Something of the machine is not here; the message says what and the command that brings it."""


# ---- the kernel --------------------------------------------------------------------------------------


def _folder() -> Path:
    return CACHE / hashlib.sha256(repr(MODULES).encode()).hexdigest()[:12]


def kernel() -> Path:
    """The folder with ``vmlinuz``, ``modules`` and the modules' files.

    Raises
    ------
    Missing
        If it has not been fetched.
    """
    folder = _folder()
    if not (folder / "vmlinuz").exists():
        raise Missing(f"no kernel of Debian's {METAPACKAGE} in {CACHE.relative_to(ROOT)}; {REMEDY}")
    return folder


def fetch() -> Path:
    """Download and unpack the kernel that Debian's metapackage names at present; does nothing where one is.

    Raises
    ------
    Missing
        If apt does not have it; the message holds apt's words.
    """
    try:
        return kernel()
    except Missing:
        pass
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        work = Path(scratch)
        depends = _run(["apt-cache", "depends", "--important", METAPACKAGE], work)
        package = re.search(r"Depends: (linux-image-\d\S+)", depends)
        if package is None:
            raise Missing(f"apt knows no {METAPACKAGE} (Debian's name; apt-get update may be needed)")
        _run(["apt-get", "-q", "download", package[1]], work)
        _run(["dpkg-deb", "-x", str(next(work.glob("*.deb"))), "unpacked"], work)
        keep = work / "keep"
        keep.mkdir()
        (keep / "modules").write_text("\n".join(_collect(work / "unpacked", keep)) + "\n")
        shutil.copy(next((work / "unpacked/boot").glob("vmlinuz-*")), keep / "vmlinuz")
        keep.rename(_folder())
    return kernel()


def _run(argv: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{argv[0]}: {error}") from error
    if done.returncode:
        raise Missing(f"{' '.join(argv)}: {done.stderr.strip()[-400:]}")
    return done.stdout


def _collect(unpacked: Path, keep: Path) -> list[str]:
    """Copy MODULES and what they depend on, uncompressed; return file names in the order to load them.

    A module says itself what it needs (``depends=`` in its .modinfo); a name without a file is built in.
    """
    files = {re.sub(r"\.ko.*", "", f.name).replace("-", "_"): f for f in unpacked.rglob("*.ko*")}
    order: list[str] = []

    def add(name: str) -> None:
        if name not in files or f"{name}.ko" in order:
            return
        source = files[name]
        data = lzma.decompress(source.read_bytes()) if source.suffix == ".xz" else source.read_bytes()
        for needed in re.findall(rb"\0(?:depends|softdep)=(?:pre: )?([^\0]*)", data):
            for other in re.split(r"[, ]+", needed.decode().partition("post:")[0]):
                add(other.replace("-", "_"))
        (keep / f"{name}.ko").write_bytes(data)
        order.append(f"{name}.ko")

    for name in MODULES:
        add(name)
    return order


# ---- the machine -------------------------------------------------------------------------------------


def _cpio(entries: list[tuple[str, int, bytes]]) -> bytes:
    """An archive of (name, mode, content) in the form the kernel unpacks at boot, cpio(5) "newc"."""
    out = bytearray()
    for number, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def _initramfs(folder: Path, command: list[str], scratch: Path) -> bytes:
    init = scratch / "init"
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise Missing("no C compiler for the machine's first process; try: make setup")
    source = str(Path(__file__).with_name("init.c"))
    argv = [compiler, "-static", "-O1", source, "-o", str(init)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{compiler} -static: {done.stderr.strip()[-400:]}")
    names = (folder / "modules").read_text().split()
    return _cpio(
        [
            ("init", 0o100755, init.read_bytes()),
            ("lib", 0o40755, b""),
            *((f"lib/{name}", 0o100644, (folder / name).read_bytes()) for name in names),
            ("modules", 0o100644, ("\n".join(names) + "\n").encode()),
            ("command", 0o100644, ("\n".join(command) + "\n").encode()),
        ]
    )


def ready() -> None:
    """Raise Missing, with the reason and the remedy, where the machine cannot be started."""
    if platform.machine() != "x86_64":
        raise Missing(f"the emulated machine is x86_64 and this one {platform.machine()}")
    if shutil.which(QEMU) is None:
        raise Missing(f"{QEMU} not found; try: sudo apt-get install qemu-system-x86, or: make native")
    kernel()


def boot(command: list[str], out: Path, limit_s: float) -> str:
    """Start the machine, run ``command`` in it, and return what its console said.

    Parameters
    ----------
    command
        Absolute path and arguments; paths are this machine's own.
    out
        A folder here that the command sees, writable, as ``/run/out``.
    limit_s
        After this time the machine is killed; a console without "the command ended" tells so.
    """
    ready()
    with tempfile.TemporaryDirectory() as scratch:
        console, initrd = Path(scratch, "console"), Path(scratch, "initrd")
        initrd.write_bytes(_initramfs(kernel(), command, Path(scratch)))
        share = "security_model=none,multidevs=remap"
        argv = [
            *("setpriv", "--pdeathsig", "KILL"),  # it does not outlive this process
            *(QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            # emulated even where KVM is: a nested one may hang, and the proofs are the same
            *("-machine", "pc", "-accel", "tcg,thread=single,tb-size=512", "-cpu", "max"),
            *("-smp", "1", "-m", "1536", "-kernel", str(kernel() / "vmlinuz"), "-initrd", str(initrd)),
            *("-append", "console=ttyS0 quiet panic=-1 mitigations=off cryptomgr.notests"),
            *("-serial", f"file:{console}", "-device", "virtio-rng-pci"),
            *("-fsdev", f"local,id=root,path=/,readonly=on,{share}"),
            *("-device", "virtio-9p-pci,fsdev=root,mount_tag=root"),
            *("-fsdev", f"local,id=out,path={out},{share}"),
            *("-device", "virtio-9p-pci,fsdev=out,mount_tag=out"),
        ]
        said = ""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        process = subprocess.Popen(argv, text=True, **quiet)
        try:
            _, said = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            said = f"killed after {limit_s:g} s"
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()
        text = console.read_text(errors="replace") if console.exists() else ""
        return text + said


if __name__ == "__main__":
    os.umask(0o022)
    began = time.monotonic()
    try:
        print(f"{fetch().relative_to(ROOT)} holds Debian's kernel ({time.monotonic() - began:.0f} s)")
    except Missing as error:
        sys.exit(f"no kernel to boot: {error}")
