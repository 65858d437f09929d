"""A cluster as a testbed: one mode at a time, trials as programs in pods that live as long as the deployment.

Fulfils the same protocol as the lab, so a study runs unchanged. The namespaces are the run's own; the mode is
changed only where the settings allow it, between deployments, and put back at the end. A pod that is lost in
mid-trial makes that trial a failed row with the reason, and the pods are placed again before the next.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tqdm import tqdm

from cnilab import modes
from cnilab.bench import Bench
from cnilab.errors import ClusterError, TestbedError, Unavailable
from cnilab.facts import Fact
from cnilab.measurements import ports
from cnilab.study.cluster_settings import ClusterSettings, settle
from cnilab.study.factors import Treatment
from cnilab.study.plan import Trial
from cnilab.testbeds.base import Spec, not_built, not_put_in_place
from cnilab.testbeds.kubernetes import detect, evidence, executing, placing, switching
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.bench import KubernetesBench
from cnilab.testbeds.kubernetes.pods import Pod, Pods, Want
from cnilab.testbeds.proof import judge as proof

_ROLE = {
    "same_node": "server-same-node",
    "same_subnet": "server-same-subnet",
    "cross_subnet": "server-cross-subnet",
}
_BENCH = ("client", *_ROLE.values())


class KubernetesTestbed:
    """Fulfils :class:`cnilab.testbeds.base.Testbed` on the cluster a kubeconfig names.

    Parameters
    ----------
    spec
        Its ``cluster`` holds settings; the environment's ``CNILAB_KUBE_*`` come on top.
    api, settings
        For callers that have made them already.
    """

    name = "kubernetes"
    builds_ahead = False
    here = False

    def __init__(self, spec: Spec, api: Api | None = None, settings: ClusterSettings | None = None) -> None:
        self.spec = spec
        self.settings = settings or settle(spec.cluster)
        self.api = api or Api.load(self.settings.kubeconfig or None, self.settings.context or None)
        self.run = secrets.token_hex(4)
        self.found = detect.detect(self.api)
        self.current = self.found.mode
        self.switched = False
        nodes = placing.read(
            self.api.items("/api/v1/nodes", labels=self.settings.node_selector), self.settings.subnets
        )
        self.placing = placing.place(nodes, spec.placements)
        self.pods = Pods(self.api, self.run, self.settings)
        self.no_host = self.pods.open(host=self.settings.host_network)
        self.watchers: dict[str, Pod] = {}
        self.ends: dict[str, Pod] = {}
        self._programs: dict[str, Fact | None] = {}
        self._congestion: tuple[list[str], str] | None = None
        self._services: dict[str, str] = {}

    # ---- what can be done -----------------------------------------------------------------------------

    def can(self, treatment: Treatment) -> tuple[str | None, Fact | None]:
        if why := not_built(treatment, ()):
            return None, why
        wanted = modes.get(treatment.mode)
        if wanted.wiring == "host":
            return (None, self.no_host) if self.no_host else ("native", None)
        if wanted.wiring == "docker":
            return None, Fact("no_mode_of_a_cluster", {"mode": wanted.id})
        if wanted.id == self.current:
            return "native", None
        if not self.settings.may_switch:
            return None, Fact("may_not_switch", {"runs": self.found.mode or self.found.plugin})
        cannot = switching.why_not(
            self.api, self.found, wanted.id, routed_underlay=self.settings.routed_underlay
        )
        return (None, Fact("cannot_switch", {"mode": wanted.id}, cannot)) if cannot else ("native", None)

    def lacks(self, program: str) -> Fact | None:
        """Why the pods' image cannot run a program; asked once each."""
        if program not in self._programs:
            pod = self._any_pod()
            argv = ["sh", "-c", 'command -v "$1"', "sh", program]
            done = executing.run(self.api, pod.namespace, pod.name, argv)
            lacks = Fact("image_lacks", {"image": self.settings.image, "program": program})
            self._programs[program] = lacks if done.code else None
        return self._programs[program]

    def cpus(self) -> tuple[None, None]:
        """Which CPUs a pod gets is the kubelet's to say."""
        return None, None

    def congestion_control(self, wanted: str | None) -> tuple[str | None, Fact | None]:
        """What both ends of a trial can be given of what the study asks for, and a note where that is less.

        A program without privilege may only choose among ``tcp_allowed_congestion_control`` (tcp(7)); the
        privileged pods of the baseline are held to the same, or the two would differ.
        """
        if wanted is None:
            return None, None
        if self._congestion is None:
            pod = self._any_pod()
            names = ("tcp_allowed_congestion_control", "tcp_congestion_control")
            argv = ["cat", *(f"/proc/sys/net/ipv4/{n}" for n in names)]
            told = executing.run(self.api, pod.namespace, pod.name, argv).text.splitlines()
            self._congestion = (told[0].split(), told[1].strip()) if len(told) == 2 else ([], "unknown")
        allowed, default = self._congestion
        if wanted in allowed:
            return wanted, None
        about = {"wanted": wanted, "allowed": list(allowed), "default": default}
        return None, Fact("congestion_control_not_allowed", about)

    def _any_pod(self) -> Pod:
        """Any pod of ours: all run the same image on the same kind of network."""
        return next(iter([*self.ends.values(), *self.watchers.values()]))

    def provenance(self) -> dict:
        version = self.api.get("/version")
        return {
            "testbed": "kubernetes",
            "cluster": {
                "context": self.api.context,
                "version": version.get("gitVersion"),
                "run": self.run,
                "image": self.settings.image,
                "detected": self.found.to_dict(),
                "nodes": [
                    {"name": n.name, "ip": n.ip, "subnet": n.subnet, "subnet_told_by": n.told}
                    for n in self.placing.nodes
                ],
                "host_network": self.no_host.to_dict() if self.no_host else True,
            },
        }

    # ---- pods -----------------------------------------------------------------------------------------

    def watch(self) -> Mapping[str, Pod]:
        """Pods on the nodes' own network, by node; made once, placed again when lost; none where not allowed."""
        if self.no_host:
            return {}
        if not self.watchers or any(self.pods.lost(p) for p in self.watchers.values()):
            self.pods.remove([f"host-{n.name}" for n in self.placing.nodes])
            made = self.pods.make(Want(f"host-{n.name}", n, host=True) for n in self.placing.nodes)
            self.watchers = {pod.node: pod for pod in made.values()}
        return self.watchers

    def place(self) -> None:
        """Make the benchmark pods afresh: a pod keeps the MTU it was born with."""
        self.pods.remove(_BENCH)
        wants = [Want("client", self.placing.client)]
        wants += [Want(_ROLE[p], node) for p, node in self.placing.servers.items()]
        self.ends = self.pods.make(wants)
        if self.spec.path == "pod_to_service":
            carried = [(port, protocol) for port in ports() for protocol in ("TCP", "UDP")]
            self._services = {p: self.pods.service(_ROLE[p], carried) for p in self.placing.servers}

    def pair(self, mode: str, placement: str) -> evidence.Ends:
        """Who talks to whom, and at which address."""
        if placement in self.placing.missing:
            missing = self.placing.missing[placement]
            raise ClusterError(f"no {placement} in this cluster: {missing}", missing)
        server_node = self.placing.servers[placement]
        if self.on_host(mode):
            client, server = self.watchers[self.placing.client.name], self.watchers[server_node.name]
            return evidence.Ends(client, server, server.ip)
        server = self.ends[_ROLE[placement]]
        return evidence.Ends(self.ends["client"], server, self._services.get(placement, server.ip))

    def on_host(self, mode: str) -> bool:
        """Whether both ends are the nodes themselves."""
        return modes.get(mode).wiring == "host" or self.spec.path == "host_to_host"

    def deploy(self, treatment: Treatment) -> KubernetesDeployment:
        return KubernetesDeployment(self, treatment.mode)

    def close(self) -> str:
        """Delete the run's namespaces and put the mode back; return what could not be."""
        left = []
        try:
            if left_there := self.pods.close():
                left.append(left_there)
        except TestbedError as error:
            left.append(f"{error}; clean up with: cnilab cluster cleanup")
        if self.switched:
            try:
                switching.restore(self.api, progress=_say)
                self.current, self.switched = self.found.mode, False
            except TestbedError as error:
                left.append(
                    f"the mode is still {self.current}: {error}; put it back with: cnilab cluster restore"
                )
        return "; ".join(left)


class KubernetesDeployment:
    """One mode in place on the cluster; fulfils :class:`cnilab.testbeds.base.Deployment`."""

    kernel_path = "native"
    substitute: Fact | None = None

    def __init__(self, bed: KubernetesTestbed, mode: str) -> None:
        self.bed, self.mode = bed, mode
        self.timings: dict[str, float] = {}
        self.notes: tuple[Fact, ...] = ()
        self._lost = ""

    def wait(self) -> None:
        """Switch if need be, place the pods, and return once they run."""
        bed = self.bed
        if not (modes.get(self.mode).wiring == "host" or self.mode == bed.current):
            bed.pods.remove(_BENCH)
            bed.ends = {}
            bed.switched = True  # even if it fails half-way: restoring what is as it was does no harm
            try:
                switched = switching.switch(
                    bed.api,
                    bed.found,
                    self.mode,
                    progress=_say,
                    routed_underlay=bed.settings.routed_underlay,
                )
            except ClusterError as error:
                raise ClusterError(
                    str(error), Fact("not_switched", {"mode": self.mode}, str(error))
                ) from error
            self.timings["switch_s"] = switched.seconds
            bed.current = self.mode
        watchers = bed.watch()
        if not bed.on_host(self.mode):
            bed.place()
        if not watchers:
            self.notes += (Fact("nodes_not_read", {"why": bed.no_host}),)

    def guard(self) -> None:
        """The cluster is not ours to watch: whether the mode was lost, the proof after the last trial finds."""

    def lost(self) -> None:
        """Nothing that could be told without asking the cluster."""

    def prove(self, placements: list[str], path: str) -> tuple[list[proof.Row], dict]:
        bed = self.bed
        there = [p for p in placements if p in bed.placing.servers]
        # A ClusterIP answers no ping; the packets that follow go to its one pod, so that is asked.
        ends = {p: replace(pair, address=pair.server.ip) for p in there if (pair := bed.pair(self.mode, p))}
        found: dict = {"placements": {}, "underlay": "plain", "path": path}
        rows = []
        if there:
            found = evidence.gather(
                bed.api,
                modes.get(self.mode),
                ends,
                bed.watchers,
                {n.name: (n.ip, n.subnet) for n in bed.placing.nodes},
                capture=not bed.lacks("tcpdump"),
                path=path,
                bgp=switching.bgp_sessions(bed.api, self.mode, [n.name for n in bed.placing.nodes]),
            )
            rows = proof.rows(modes.get(self.mode), self.kernel_path, found)
        if bed.watchers and there and found["placements"][there[0]]["packets"] is None:
            self.notes += (Fact("packets_not_captured", {"image": bed.settings.image}),)
        wrong = _misplaced(found, ends)
        rows = [
            replace(r, status="failed", reason=wrong[r.placement]) if r.placement in wrong else r
            for r in rows
        ]
        rows += [
            proof.absent(self.mode, p, self.kernel_path, bed.placing.missing[p])
            for p in placements
            if p not in bed.placing.servers
        ]
        return rows, found

    @contextmanager
    def bench(self, trial: Trial) -> Iterator[Bench]:
        bed = self.bed
        if why := not_put_in_place(trial, ()):
            raise Unavailable("a factor that is not put in place on a cluster", fact=why)
        if self._lost:
            self._again()
        ends = bed.pair(self.mode, trial.placement)
        bench = KubernetesBench(bed.api, ends.client, ends.server, ends.address, bed.watchers, bed.pods.lost)
        try:
            with bench:
                yield bench
        finally:
            self._lost = bench.trouble

    def _again(self) -> None:
        """Place the pods again; the mode is the same, so what was proven of the nodes still holds."""
        self.bed.watch()
        if not self.bed.on_host(self.mode):
            self.bed.place()
        self._lost = ""

    def close(self) -> None:
        """The pods stay until the next deployment needs fresh ones: nothing of a mode is in them but their MTU."""


def _misplaced(found: dict, ends: Mapping[str, evidence.Ends]) -> dict[str, Fact]:
    """Placements whose nodes' real subnets are not what was asked for, by the nodes' own prefix lengths."""
    wrong: dict[str, Fact] = {}
    for placement, pair in ends.items():
        one, other = (found["topology"][p.node] for p in (pair.client, pair.server))
        same = one["subnet"] == other["subnet"]
        if (placement == "same_subnet" and not same) or (placement == "cross_subnet" and same):
            wrong[placement] = Fact(
                "not_placed_as_asked",
                {
                    "client": pair.client.node, "client_subnet": one["subnet"],
                    "server": pair.server.node, "server_subnet": other["subnet"],
                },
            )  # fmt: skip
    return wrong


def _say(text: str) -> None:
    tqdm.write(f"cnilab: {text}", file=sys.stderr)
