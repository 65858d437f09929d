"""``Lab``: one mode put in place in private namespaces, usable as a context manager from a script or a notebook."""

from __future__ import annotations

import html
import time
from pathlib import Path

from cnilab import modes
from cnilab.bench import End
from cnilab.errors import LabError, Unavailable
from cnilab.facts import Fact
from cnilab.testbeds.lab import evidence as facts
from cnilab.testbeds.lab import kernel, planes
from cnilab.testbeds.lab.client import AgentProcess
from cnilab.testbeds.lab.steps import to_ops, to_shell
from cnilab.testbeds.lab.topology import CLUSTER_IPS, Pod, Topology
from cnilab.testbeds.proof import judge as proof

PROBE_PORT = 5201  # iperf3's, so Docker publishes it
BGP_LIMIT_S = 15.0


class Lab:
    """A cluster of network namespaces with one CNI mode in place.

    Parameters
    ----------
    mode
        Id from :data:`cnilab.modes.MODES`.
    underlay
        ``plain``: the router knows no pods. ``routed``: it takes part in BGP.
    services
        Whether kube-proxy's rules for one ClusterIP a placement are installed.
    nodes, pods
        Number of nodes (3 to 250) and of pods on each; the first node has one pod more.
    replicas, spread
        Endpoints behind each ClusterIP, and whether they stand on the nodes in turn or all on the server's.

    Raises
    ------
    UnknownKey
        If there is no such mode.
    Unavailable
        If this machine cannot run it; the message holds the reason and the remedy.
    LabError
        If building fails half-way; nothing of it remains.

    Examples
    --------
    >>> with Lab("flannel-vxlan") as lab:  # doctest: +SKIP
    ...     print(lab.sh("n1", "ip route"))
    ...     print(lab.prove(["same_subnet"])[0].outer)
    """

    def __init__(
        self,
        mode: str,
        *,
        underlay: str = "plain",
        services: bool = False,
        nodes: int = 3,
        pods: int = 1,
        replicas: int = 1,
        spread: bool = False,
    ) -> None:
        self.mode = modes.get(mode)
        path, self.substitute = kernel.kernel_path(mode)
        if path is None:
            raise Unavailable(f"{mode} cannot run here: {_words(self.substitute)}", fact=self.substitute)
        self.kernel_path, self.underlay, self.services = path, underlay, services
        wanted = -(-replicas // nodes) if spread else replicas
        self.topology: Topology = planes.topology_for(mode, nodes=nodes, pods=max(pods, wanted))
        self._replicas, self._spread = replicas, spread
        self.notes: tuple[Fact, ...] = ()
        self.timings: dict[str, float] = {}
        self._agent: AgentProcess | None = None
        self._ready = False

    # ---- life -----------------------------------------------------------------------------------------

    def phases(self) -> list:
        """The steps that build this lab; Docker publishes, and a Service forwards, every measurement's ports."""
        served: tuple[int, ...] = ()
        shared: tuple[int, ...] = ()
        if self.services or self.mode.wiring == "docker":
            # late: its readers are not needed by whoever only looks
            from cnilab.measurements import balanced, ports

            served, shared = ports(), balanced()

        return planes.phases(
            self.topology,
            self.mode.id,
            self.kernel_path,
            ports=[(protocol, port) for port in served for protocol in ("tcp", "udp")],
            routed_underlay=self.underlay == "routed",
            services={p: [self._address(e) for e in self.replicas(p)] for p in CLUSTER_IPS}
            if self.services
            else None,
            balanced=shared,
        )

    def _address(self, pod: Pod) -> str:
        return self.topology.node(pod.node).ip if self.mode.wiring == "host" else pod.ip

    def replicas(self, placement: str) -> tuple[Pod, ...]:
        """The pods behind the ClusterIP of ``placement``; the first is the one that is proven."""
        return self.topology.replicas(placement, self._replicas, spread=self._spread)

    def script(self) -> str:
        """The same as a shell script, to build the lab by hand."""
        return to_shell(self.phases(), f"{self.mode.id} in network namespaces, as cnilab builds it")

    def start(self) -> Lab:
        """Build; return without waiting for BGP, which needs most of a second of doing nothing."""
        began = time.monotonic()
        self._agent = AgentProcess()
        try:
            notes = self._agent.call("build", phases=to_ops(self.phases()))["notes"]
        except LabError as error:
            self.close()
            raise LabError(
                f"{self.mode.id} could not be built: {error}",
                Fact("bench_failed.not_built", quoted=error.fact.quoted),
            ) from error
        self.notes = tuple(Fact("setting_not_made", {"where": n["where"]}, n["words"]) for n in notes)
        self.timings["build_s"] = time.monotonic() - began
        return self

    def wait(self) -> Lab:
        """Wait until BGP has brought every node the routes to every other.

        Raises
        ------
        LabError
            If it has not after 15 s; the message holds the sessions' states.
        """
        if self._ready:
            return self
        began = time.monotonic()
        if self.mode.bgp:
            while not facts.converged(self.agent, self.topology, self.underlay == "routed"):
                self._check_daemons()
                if time.monotonic() - began > BGP_LIMIT_S:
                    state = facts.read(self.agent, self.mode, [n.name for n in self.topology.node_list])
                    sessions = {
                        node: [(s["peer"], s["info"]) for s in f["bgp"] or []] for node, f in state.items()
                    }
                    raise LabError(
                        f"{self.mode.id}: no routes from BGP after {BGP_LIMIT_S:g} s; sessions: {sessions}",
                        Fact("no_routes_from_bgp", {"seconds": BGP_LIMIT_S}, str(sessions)),
                    )
                time.sleep(0.02)
        self.timings["settle_s"] = time.monotonic() - began
        self._ready = True
        return self

    def _check_daemons(self) -> None:
        """Tell at once, with its last words, which daemon has ended, instead of waiting for what it owes."""
        for name, said in self.agent.call("alive")["dead"].items():
            raise LabError(
                f"{self.mode.id}: {name} has ended: {said.strip()[-300:] or 'it said nothing'}",
                Fact("bench_failed.daemon_ended", {"daemon": name}, said.strip()[-300:] or None),
            )

    def close(self) -> None:
        """End the lab; the kernel removes all of it."""
        if self._agent is not None:
            self._agent.close()
            self._agent = None
        self._ready = False

    def __enter__(self) -> Lab:
        try:
            return self.start().wait()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def running(self) -> bool:
        """Whether the lab stands."""
        return self._agent is not None and self._agent.alive

    @property
    def agent(self) -> AgentProcess:
        if self._agent is None:
            raise LabError("this lab is not running; use it as `with cnilab.Lab(mode) as lab:`")
        return self._agent

    def guard(self) -> None:
        """Take what stands now for what is to stay: :meth:`changes` tells of everything else from here on."""
        self.agent.call("guard", namespaces=["", *self.topology.namespaces])

    def changes(self) -> list[str]:
        """Return what has changed in links, addresses, routes, namespaces and daemons since the last time.

        Raises
        ------
        LabError
            If the lab is gone.
        """
        return self.agent.call("changes")["changes"]

    # ---- use ------------------------------------------------------------------------------------------

    def client(self, path: str = "pod_to_pod") -> End:
        """Where the client of a trial runs: the first node's first pod, or that node itself."""
        node = self.topology.node_list[0]
        if path == "host_to_host" or self.mode.wiring == "host":
            return End(node.name, node.ip)
        return End(node.pods[0].name, node.pods[0].ip)

    def server(self, placement: str, path: str = "pod_to_pod") -> End:
        """Where the server of a trial runs and the address its client must use."""
        node = self.topology.peer_node(placement)
        pod = self.topology.server_pod(placement)
        if path == "pod_to_service":
            if not self.services:
                raise LabError("this lab has no Services; build it with services=True")
            return End(self._where(pod), CLUSTER_IPS[placement])
        if path == "host_to_host" or self.mode.wiring == "host":
            return End(node.name, node.ip)
        published = self.mode.wiring == "docker" and placement != "same_node"
        return End(pod.name, node.ip if published else pod.ip)

    def servers(self, placement: str, path: str = "pod_to_pod") -> list[End]:
        """Where the servers of a trial run: one, or behind a Service its replicas, with the address they share."""
        first = self.server(placement, path)
        if path != "pod_to_service":
            return [first]
        return [End(self._where(pod), first.address) for pod in self.replicas(placement)]

    def _where(self, pod: Pod) -> str:
        return pod.node if self.mode.wiring == "host" else pod.name

    def sh(self, where: str, command: str) -> str:
        """Run a shell command in a node or pod and return what it printed."""
        self._check(where)
        return self.agent.call("read", ns=where, argv=["sh", "-c", command])["stdout"]

    def prove(self, placements: list[str] | None = None, path: str = "pod_to_pod") -> list[proof.Row]:
        """Show for each placement that this mode is what carries the packets; see :mod:`~cnilab.testbeds.proof`."""
        return proof.rows(self.mode, self.kernel_path, self.evidence(placements, path))

    def evidence(self, placements: list[str] | None = None, path: str = "pod_to_pod") -> dict:
        """Gather the facts a proof judges: kernel state of the nodes and a captured exchange a placement.

        Returns
        -------
        dict
            ``nodes`` and ``conditions`` (see :mod:`.facts`), ``topology``, ``placements`` (an exchange each),
            ``underlay``, ``path``.
        """
        wanted = placements or list(CLUSTER_IPS)
        first = self.topology.node_list[0]
        nodes = list(dict.fromkeys([first.name, *(self.topology.peer_node(p).name for p in wanted)]))
        found: dict = {
            "underlay": self.underlay,
            "path": path,
            "nodes": facts.read(self.agent, self.mode, nodes),
            "topology": {
                n.name: {"ip": n.ip, "gateway": n.gateway, "subnet": n.subnet}
                for n in self.topology.node_list
            },
            "placements": {},
        }
        for placement in wanted:
            found["placements"][placement] = self._exchange(placement, path)
        ends = {p: (self.client(path).where, self.server(p, path).where) for p in wanted}
        found["conditions"] = facts.read_conditions(self.agent, self.mode, nodes, ends)
        return found

    def _exchange(self, placement: str, path: str) -> dict:
        client, server = self.client(path), self.server(placement, path)
        node = self.topology.peer_node(placement)
        reaches = self.mode.reaches(placement, self.underlay)
        mtu = (
            self.mode.pod_mtu()
            if path != "host_to_host"
            else self.mode.pod_mtu(modes.UNDERLAY_MTU + self.mode.mtu_reserve)
        )
        taps = self._taps(placement, path)
        seen = self.agent.call(
            "exchange",
            client=client.where,
            server=server.where,
            address=server.address,
            port=PROBE_PORT,
            lengths=[100, mtu, mtu + 1],
            taps=taps,
            timeout_s=1.0 if reaches else 0.15,
            tries=5 if reaches else 1,
        )
        if not reaches and seen["probes"][0]["result"] == "lost":
            # A pod hears nothing, because the router cannot answer an address it does not know; its node does.
            args = {"args": [self.server(placement, path).address, PROBE_PORT, 100, None, 0.5]}
            seen["from_node"] = self.agent.call(
                "probe", ns=self.topology.node_list[0].name, what="probe", args=args
            )["value"]
        ends = [client.where, server.where]
        read = facts.read_ends(self.agent, ends)
        return {
            "ends": read,
            "end_mtus": {end: state["link"]["mtu"] for end, state in read.items() if state["link"]},
            "taps": taps,
            "port": PROBE_PORT,
            "client": client.where,
            "server": server.where,
            "address": server.address,
            "server_pod": None if self.mode.wiring == "host" else self.topology.server_pod(placement).ip,
            "client_address": client.address,
            "server_address": node.ip
            if path == "host_to_host" or self.mode.wiring == "host"
            else self.topology.server_pod(placement).ip,
            "client_node": self.topology.node_list[0].name,
            "server_node": node.name,
            "mtu": mtu,
            **seen,
        }

    def _taps(self, placement: str, path: str) -> list[list[str]]:
        """Where to capture: both nodes' underlay; on one node also the node's end of the client's own link."""
        first, peer = self.topology.node_list[0], self.topology.peer_node(placement)
        taps = [[first.name, "eth0"]]
        if peer is not first:
            taps.append([peer.name, "eth0"])
        elif path != "host_to_host" and self.mode.wiring in ("bridge", "routed"):
            pod = first.pods[0]
            taps.append([first.name, pod.veth if self.mode.wiring == "bridge" else pod.host_interface])
        return taps

    def serve(
        self,
        name: str,
        endpoint: End,
        argv: list[str],
        stdout: Path,
        stderr: Path,
        port: int,
    ) -> None:
        """Start a server at ``endpoint`` and return once it listens."""
        self.agent.call(
            "serve",
            ns=endpoint.where,
            name=name,
            argv=argv,
            stdout=str(stdout.absolute()),
            stderr=str(stderr.absolute()),
            port=port,
        )

    def run(self, endpoint: End, argv: list[str], stdout: Path, stderr: Path, timeout_s: float) -> dict:
        """Run a client at ``endpoint`` to its end, its output straight into files.

        Returns
        -------
        dict
            ``code``, ``timed_out``, ``started_at`` (Unix time) and ``wall_s``.

        Raises
        ------
        LabError
            If all of the lab stood still meanwhile: what was measured is no value.
        """
        ended = self.agent.call(
            "run",
            answer_within_s=timeout_s + 10,
            ns=endpoint.where,
            argv=argv,
            stdout=str(stdout.absolute()),
            stderr=str(stderr.absolute()),
            timeout_s=timeout_s,
        )
        if stalled := ended.pop("stalled_s"):
            raise LabError(
                f"the machine stood still for {stalled:.0f} s of the trial",
                Fact("bench_failed.stalled", {"seconds": stalled}),
            )
        return ended

    def stop(self, name: str) -> int | None:
        """End a server started by :meth:`serve`; return its exit status."""
        return self.agent.call("stop", name=name)["code"]

    def shell_argv(self, where: str = "n1") -> list[str]:
        """The command that opens a shell inside a node or pod of this running lab."""
        self._check(where)
        pid = self.agent.first_process
        user = [] if self.agent.root else ["--user", "--preserve-credentials"]
        inside = ["nsenter", f"--net=/run/netns/{where}"]
        return ["nsenter", "--target", str(pid), *user, "--mount", "--pid", "--", *inside, "sh", "-i"]

    def _check(self, where: str) -> None:
        if where not in self.topology.namespaces:
            raise LabError(f"no {where!r} in this lab; it has {', '.join(self.topology.namespaces)}")

    def __repr__(self) -> str:
        state = "running" if self._agent is not None else "not running"
        lines = [f"Lab {self.mode.id} ({self.kernel_path}), {state}: {self.mode.sentence}"]
        for node in self.topology.node_list:
            pods = (
                ", ".join(f"{p.name} {p.ip}" for p in node.pods) if self.mode.wiring != "host" else "no pods"
            )
            lines.append(f"  {node.name}  {node.ip:<15} {pods}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"


def _words(fact: Fact | None) -> str:
    from cnilab.report.language import tell  # here: an error's sentence is for a person

    return tell(fact) if fact else ""
