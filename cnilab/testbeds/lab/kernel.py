"""What this kernel and machine can build, found by building it in a scratch namespace, never by version.

For each mode the answer is a *kernel path*: ``native`` where the real device exists, a named substitute
(``ebpf``, ``userspace``) where the same kernel can carry the same packets otherwise, or a reason why not.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from cnilab import modes
from cnilab.errors import LabError, Unavailable
from cnilab.facts import Fact
from cnilab.setup.build import built
from cnilab.setup.programs import find, package_for
from cnilab.testbeds.lab.client import AgentProcess
from cnilab.testbeds.lab.steps import FABRIC, Batch, Bpf, Phase, Restore, Run, Step, Tun, to_ops


@dataclass(frozen=True)
class Capabilities:
    """Capability -> None where it works, else why not.

    Parameters
    ----------
    missing
        Only what does not work, with the kernel's or the program's words.
    """

    missing: dict[str, Fact] = field(default_factory=dict)

    def why_not(self, *needs: str) -> Fact | None:
        """Return the first reason among ``needs``, None if all work."""
        return next((self.missing[n] for n in needs if n in self.missing), None)


TRIES = 3
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
#: What Felix's rules need besides: sets of addresses, the reverse path and the interface's own addresses.
_FELIX_SET = "create probe-set hash:net family inet\n"
_FELIX_RULES = """\
*raw
:PROBE - [0:0]
-A PROBE -m rpfilter --invert --validmark -j DROP
-A PROBE -p tcp -m multiport --destination-ports 22 -m set --match-set probe-set src -j ACCEPT
COMMIT
"""
_PROGRAMS = ("iptables-restore", "ipset", "bird", "birdc", "wg", "wireguard-go")


@cache
def probe() -> Capabilities:
    """Build one of everything in a scratch lab and report what failed; takes about a fifth of a second.

    Only what the kernel or a program refused is missing. A scratch lab that died, fell silent or had no room says
    nothing of the kernel: it is made anew, and what it said is not kept.

    Raises
    ------
    Unavailable
        If not even the namespaces can be made.
    LabError
        If the scratch lab was disturbed each time.
    """
    for _ in range(TRIES - 1):
        with suppress(LabError):
            return _probed()
    return _probed()


def _probed() -> Capabilities:
    missing: dict[str, Fact] = {}
    for program in _PROGRAMS:
        if find(program) is None:
            package = package_for(program)
            missing[program] = Fact(
                "program_missing", {"program": program, "remedy": package.remedy if package else None}
            )
    with AgentProcess() as agent:

        def attempt(name: str, *steps: Step) -> None:
            try:
                agent.call("build", phases=to_ops([Phase(name, steps)]))
            except LabError as error:
                if error.fact.code != "bench_failed.order_refused":
                    raise
                missing.setdefault(
                    name, Fact("refused", {"what": name}, _first_line(error.fact.quoted or ""))
                )

        for name, line in _DEVICES.items():
            attempt(name, Batch(FABRIC, (line,)))
        attempt("tun", Tun(FABRIC, "probe-t"))
        attempt("iptables-restore", Restore(FABRIC, _RULES))
        sets = Run(FABRIC, ("ipset", "restore"), stdin=_FELIX_SET)
        attempt("felix-rules", sets, Restore(FABRIC, _FELIX_RULES))
        for name, program in (("bpf", "ipip.bpf.o"), ("udp_proxy", "udp_proxy")):
            try:
                path = str(built(program))
            except Unavailable as error:
                missing[name] = error.fact
                continue
            if name == "bpf" and not agent.root:
                missing["bpf"] = Fact("root_needed", {"what": "bpf", "remedy": "sudo"})
            elif name == "bpf":
                attempt("bpf", Bpf(FABRIC, path, "probe-t", "probe-v", "192.0.2.11"))
    return Capabilities(missing)


def _first_line(words: str) -> str:
    """Shorten ip's words to what it complains of: a line of its own for each failed command follows."""
    return re.sub(r"^Error: ", "", words.splitlines()[0] if words else "").rstrip(".")


def kernel_path(mode_id: str, capabilities: Capabilities | None = None) -> tuple[str | None, Fact | None]:
    """Which implementation would carry a mode here, and why.

    Returns
    -------
    tuple of (str or None, Fact or None)
        ``native``, ``ebpf`` or ``userspace`` and the reason for a substitute (None for native); None and the
        reason if this machine cannot run the mode.
    """
    mode, can = modes.get(mode_id), capabilities or probe()
    base = ["veth", "bridge"]
    if mode.wiring != "host":
        base.append("iptables-restore")
    if mode.bgp:
        base += ["bird", "birdc"]
    if mode.plugin == "calico":
        base += ["ipset", "felix-rules"]
    if reason := can.why_not(*base):
        return None, reason
    if mode.encapsulation == "vxlan":
        return ("native", None) if not (r := can.why_not("vxlan")) else (None, r)
    if mode.encapsulation == "udp":  # userspace in the original too, and so native
        return ("native", None) if not (r := can.why_not("tun", "udp_proxy")) else (None, r)
    if mode.encapsulation == "ipip":
        if not (native := can.why_not("ipip")):
            return "native", None
        if not (r := can.why_not("tun", "bpf")):
            return "ebpf", Fact("carried_by_ebpf", {"device": "ipip"}, native.quoted)
        return None, Fact("no_substitute", {"device": "ipip", "why": r})
    if mode.encapsulation == "wireguard":
        if reason := can.why_not("wg"):
            return None, reason
        if not (native := can.why_not("wireguard")):
            return "native", None
        if not (r := can.why_not("tun", "wireguard-go")):
            return "userspace", Fact("carried_by_wireguard_go", {"device": "wireguard"}, native.quoted)
        return None, Fact("no_substitute", {"device": "wireguard", "why": r})
    return "native", None
