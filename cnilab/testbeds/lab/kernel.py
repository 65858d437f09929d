"""What this kernel and machine can build, found by building it in a scratch namespace, never by version.

For each mode the answer is a *kernel path*: ``native`` where the real device exists, a named substitute
(``ebpf``, ``userspace``) where the same kernel can carry the same packets otherwise, or a reason why not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from cnilab import modes
from cnilab.errors import LabError, Unavailable
from cnilab.setup.programs import find, package_for
from cnilab.testbeds.lab.build import built
from cnilab.testbeds.lab.client import AgentProcess
from cnilab.testbeds.lab.steps import FABRIC, Batch, Bpf, Phase, Restore, Step, Tun, to_ops


@dataclass(frozen=True)
class Capabilities:
    """Capability -> None where it works, else why not.

    Parameters
    ----------
    missing
        Only what does not work, with the kernel's or the program's words.
    """

    missing: dict[str, str] = field(default_factory=dict)

    def why_not(self, *needs: str) -> str | None:
        """Return the first reason among ``needs``, None if all work."""
        return next((f"{n}: {self.missing[n]}" for n in needs if n in self.missing), None)


#: Capability -> lines for `ip` that prove it. Built one after the other in one scratch namespace.
_DEVICES = {
    "veth": "link add probe-v type veth peer name probe-w",
    "bridge": "link add probe-b type bridge",
    "vxlan": "link add probe-x type vxlan id 77 local 192.0.2.11 dstport 8472 nolearning",
    "ipip": "link add probe-i type ipip local 192.0.2.11 remote any",
    "wireguard": "link add probe-w0 type wireguard",
}
_RULES = """\
*nat
:PROBE - [0:0]
-A POSTROUTING -j PROBE
-A PROBE -m addrtype --src-type LOCAL -j MASQUERADE --random-fully
COMMIT
"""
_PROGRAMS = ("iptables-restore", "bird", "birdc", "wg", "wireguard-go")


@cache
def probe() -> Capabilities:
    """Build one of everything in a scratch lab and report what failed; takes about a fifth of a second.

    Raises
    ------
    Unavailable
        If not even the namespaces can be made.
    """
    missing: dict[str, str] = {}
    for program in _PROGRAMS:
        if find(program) is None:
            package = package_for(program)
            missing[program] = "not found" + (f"; try: {package.remedy}" if package else "")
    with AgentProcess() as agent:

        def attempt(name: str, *steps: Step) -> None:
            try:
                agent.call("build", phases=to_ops([Phase(name, steps)]))
            except LabError as error:
                missing.setdefault(name, _plain(str(error)))

        for name, line in _DEVICES.items():
            attempt(name, Batch(FABRIC, (line,)))
        attempt("tun", Tun(FABRIC, "probe-t"))
        attempt("iptables-restore", Restore(FABRIC, _RULES))
        for name, program in (("bpf", "ipip.bpf.o"), ("udp_proxy", "udp_proxy")):
            try:
                path = str(built(program))
            except Unavailable as error:
                missing[name] = str(error)
                continue
            if name == "bpf" and not agent.root:
                missing["bpf"] = "only root may load eBPF programs; try: sudo"
            elif name == "bpf":
                attempt("bpf", Bpf(FABRIC, path, "probe-t", "probe-v", "192.0.2.11"))
    return Capabilities(missing)


def _plain(message: str) -> str:
    """Shorten the agent's message to the kernel's words."""
    words = message.removeprefix("in the fabric: ").split("\nCommand failed")[0]
    words = words.removeprefix("ip -batch -: ").removeprefix("Error: ").strip().rstrip(".")
    return "; ".join(line.strip() for line in words.splitlines() if line.strip())


def kernel_path(mode_id: str, capabilities: Capabilities | None = None) -> tuple[str | None, str]:
    """Which implementation would carry a mode here, and why.

    Returns
    -------
    tuple of (str or None, str)
        ``native``, ``ebpf`` or ``userspace`` and the reason for a substitute (empty for native); None and the
        reason if this machine cannot run the mode.
    """
    mode, can = modes.get(mode_id), capabilities or probe()
    base = ["veth", "bridge"]
    if mode.wiring != "host":
        base.append("iptables-restore")
    if mode.bgp:
        base += ["bird", "birdc"]
    if reason := can.why_not(*base):
        return None, reason
    if mode.encapsulation == "vxlan":
        return ("native", "") if not (r := can.why_not("vxlan")) else (None, r)
    if mode.encapsulation == "udp":  # userspace in the original too, and so native
        return ("native", "") if not (r := can.why_not("tun", "udp_proxy")) else (None, r)
    if mode.encapsulation == "ipip":
        if not (native := can.why_not("ipip")):
            return "native", ""
        if not (r := can.why_not("tun", "bpf")):
            return (
                "ebpf",
                f"the kernel has no ipip device ({native.partition(': ')[2]}); eBPF encapsulates instead",
            )
        return None, f"no ipip device, and no substitute: {r}"
    if mode.encapsulation == "wireguard":
        if reason := can.why_not("wg"):
            return None, reason
        if not (native := can.why_not("wireguard")):
            return "native", ""
        if not (r := can.why_not("tun", "wireguard-go")):
            return (
                "userspace",
                f"the kernel has no wireguard device ({native.partition(': ')[2]}); wireguard-go encrypts instead",
            )
        return None, f"no wireguard device, and no substitute: {r}"
    return "native", ""
