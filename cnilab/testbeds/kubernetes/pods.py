"""The run's own namespaces and the pods in them: made, placed exactly, checked, made again, removed.

Two namespaces a run: ``cnilab-<run>`` holds the benchmark pods and enforces the *restricted* Pod Security
Standard; ``cnilab-<run>-host`` is privileged and holds the pods on the host's network, where the user's rights
allow them. Everything carries the label ``cnilab.io/run``; nothing else of the cluster is touched here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from cnilab.errors import ClusterError
from cnilab.facts import Fact
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.testbeds.kubernetes.api import Api, Conflict, Forbidden, NotFound
from cnilab.testbeds.kubernetes.placing import Node

RUN = "cnilab.io/run"
ROLE = "cnilab.io/role"
NAMESPACES = "/api/v1/namespaces"
READY_S = 120.0
GONE_S = 90.0
#: What looking at a node's network takes; tcpdump sets its own user even to the one it is.
HOST_CAPABILITIES = ["NET_ADMIN", "NET_RAW", "SETGID", "SETUID"]
#: The container's waiting reasons that no patience mends.
_HOPELESS = {
    "ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff", "ErrImagePull", "CreateContainerConfigError",
    "CreateContainerError", "RunContainerError", "CrashLoopBackOff",
}  # fmt: skip


@dataclass(frozen=True)
class Want:
    """A pod that should be: its role, and the node it must be on."""

    role: str
    node: Node
    host: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod that runs where it should."""

    name: str
    namespace: str
    role: str
    node: str
    ip: str
    uid: str


class Pods:
    """The pods of one run.

    Parameters
    ----------
    run
        A short id, part of every name.
    """

    def __init__(self, api: Api, run: str, settings: ClusterSettings) -> None:
        self.api, self.run, self.settings = api, run, settings
        self.namespace, self.host_namespace = f"cnilab-{run}", f"cnilab-{run}-host"
        self._generation = 0
        self._made: set[str] = set()

    # ---- namespaces -----------------------------------------------------------------------------------

    def open(self, *, host: bool) -> Fact | None:
        """Make the namespaces; return why the privileged one could not be made, or None.

        Raises
        ------
        Forbidden
            If not even the restricted one may be made; the message names `cnilab cluster rbac run`.
        """
        self._namespace(self.namespace, "restricted")
        if not host:
            return Fact("host_pods_off")
        try:
            self._namespace(self.host_namespace, "privileged")
        except Forbidden as error:
            return Fact("host_pods_refused", quoted=error.message)
        return None

    def _namespace(self, name: str, level: str) -> None:
        if name in self._made:
            return
        labels = {RUN: self.run, "app.kubernetes.io/managed-by": "cnilab"}
        labels |= {f"pod-security.kubernetes.io/{how}": level for how in ("enforce", "warn", "audit")}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        try:
            self.api.create(NAMESPACES, body)
        except Forbidden as error:
            error.args = (f"{error}; what a run needs is printed by: cnilab cluster rbac run",)
            raise
        self._made.add(name)

    # ---- pods -----------------------------------------------------------------------------------------

    def make(self, wants: Iterable[Want]) -> dict[str, Pod]:
        """Make fresh pods and return them by role once they run, each on the node it was meant for.

        Raises
        ------
        ClusterError
            If one does not come to run, with the scheduler's or the kubelet's own words, or runs elsewhere.
        """
        self._generation += 1
        wanted = {f"{w.role}-{self._generation}": w for w in wants}
        for name, want in wanted.items():
            self._create(self._where(want), self._manifest(name, want))
        return self._running(wanted)

    def _where(self, want: Want) -> str:
        return self.host_namespace if want.host else self.namespace

    def _create(self, namespace: str, body: dict) -> None:
        path = f"{NAMESPACES}/{namespace}/pods"
        # A namespace's service account is made by a controller a moment after it; until then pods are refused.
        for attempt in range(40):
            try:
                self.api.create(path, body)
                return
            except Forbidden as error:
                if "serviceaccount" not in error.message or attempt == 39:
                    raise
            except NotFound as error:
                if "serviceaccount" not in error.message.lower() or attempt == 39:
                    raise
            time.sleep(0.25)

    def _manifest(self, name: str, want: Want) -> dict:
        container: dict = {
            "name": "bench",
            "image": self.settings.image,
            "imagePullPolicy": self.settings.pull_policy,
            "command": ["sleep", "2147483647"],
            "resources": {"requests": {"cpu": self.settings.cpu, "memory": self.settings.memory}},
        }
        spec: dict = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": self.settings.lifetime_s,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "affinity": _only(want.node.name),
            "containers": [container],
        }
        if want.host:
            spec |= {"hostNetwork": True, "tolerations": [{"operator": "Exists"}]}
            container["securityContext"] = {
                "runAsUser": 0,
                "capabilities": {"drop": ["ALL"], "add": HOST_CAPABILITIES},
                "allowPrivilegeEscalation": False,
            }
        else:
            spec["securityContext"] = {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "seccompProfile": {"type": "RuntimeDefault"},
                # A namespaced, safe sysctl: lets ping work without a capability (Kubernetes >= 1.18).
                "sysctls": [{"name": "net.ipv4.ping_group_range", "value": "0 2147483647"}],
            }
            container["securityContext"] = {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
        labels = {RUN: self.run, ROLE: want.role, "app.kubernetes.io/managed-by": "cnilab"}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": labels},
            "spec": spec,
        }

    def listed(self) -> dict[str, dict]:
        """Every pod object of this run, by name."""
        found = {}
        for namespace in sorted(self._made):
            for item in self.api.items(f"{NAMESPACES}/{namespace}/pods", labels=f"{RUN}={self.run}"):
                found[item["metadata"]["name"]] = item
        return found

    def _running(self, wanted: dict[str, Want]) -> dict[str, Pod]:
        end = time.monotonic() + READY_S
        while True:
            listed = self.listed()
            waiting = {}
            for name in wanted:
                if name not in listed:
                    waiting[name] = "it is not there any more"
                elif why := _why_not_ready(listed[name]):
                    waiting[name] = why.words
                    if why.hopeless:
                        raise ClusterError(
                            f"pod {name}: {why.words}",
                            Fact("bench_failed.pod_ended", {"pod": name}, why.words),
                        )
            if not waiting:
                return {w.role: _checked(listed[name], w) for name, w in wanted.items()}
            if time.monotonic() > end:
                name, words = next(iter(waiting.items()))
                raise ClusterError(
                    f"pod {name} does not run after {READY_S:g} s: {words}",
                    Fact("pod_not_ready", {"pod": name, "seconds": READY_S}, words),
                )
            time.sleep(0.2)

    def lost(self, pod: Pod) -> str:
        """Why a pod is not what it was (deleted, evicted, replaced, failed), or nothing."""
        try:
            item = self.api.get(f"{NAMESPACES}/{pod.namespace}/pods/{pod.name}")
        except NotFound:
            return f"pod {pod.name} was deleted from {pod.node}"
        if item["metadata"].get("deletionTimestamp"):
            return f"pod {pod.name} is being deleted from {pod.node}{_disruption(item)}"
        if item["metadata"]["uid"] != pod.uid:
            return f"pod {pod.name} is another one now"
        why = _why_not_ready(item)
        return f"pod {pod.name} on {pod.node}: {why.words}" if why else ""

    def remove(self, roles: Iterable[str] | None = None) -> None:
        """Remove pods (all, or those with these roles) and return once the nodes have let go of them."""
        wanted = None if roles is None else set(roles)
        for name, item in self.listed().items():
            if wanted is None or item["metadata"]["labels"].get(ROLE) in wanted:
                self.api.delete(f"{NAMESPACES}/{item['metadata']['namespace']}/pods/{name}", grace_s=0)
        self.api.wait(
            "the run's old pods are gone",
            lambda: (
                not any(
                    wanted is None or i["metadata"]["labels"].get(ROLE) in wanted
                    for i in self.listed().values()
                )
            ),
            GONE_S,
        )

    # ---- services -------------------------------------------------------------------------------------

    def service(self, role: str, ports: Iterable[tuple[int, str]]) -> str:
        """Make a ClusterIP for one role and return its address.

        One endpoint, and client affinity besides: iperf3's two connections must meet the same pod.
        """
        path = f"{NAMESPACES}/{self.namespace}/services"
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": role, "labels": {RUN: self.run}},
            "spec": {
                "selector": {RUN: self.run, ROLE: role},
                "sessionAffinity": "ClientIP",
                "ports": [
                    {"name": f"{protocol.lower()}-{port}", "port": port, "protocol": protocol}
                    for port, protocol in ports
                ],
            },
        }
        try:
            made = self.api.create(path, body)
        except Conflict:
            made = self.api.get(f"{path}/{role}")
        return made["spec"]["clusterIP"]

    # ---- the end --------------------------------------------------------------------------------------

    def close(self, timeout_s: float = GONE_S) -> str:
        """Delete both namespaces and wait; return what is left and why, or nothing."""
        left = remove_namespaces(self.api, sorted(self._made), timeout_s)
        self._made.clear()
        return left


def _only(node: str) -> dict:
    """Node affinity for one node by its name, which no label can fake."""
    fields = [{"key": "metadata.name", "operator": "In", "values": [node]}]
    terms = {"nodeSelectorTerms": [{"matchFields": fields}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


class NotReady(NamedTuple):
    """Why a pod does not run, in the cluster's words, and whether waiting longer would not help."""

    words: str
    hopeless: bool = False


def _why_not_ready(item: dict) -> NotReady | None:
    """Why a pod does not run yet; None if it runs."""
    status = item.get("status") or {}
    phase = status.get("phase")
    if phase in ("Failed", "Succeeded"):
        told = status.get("message") or status.get("reason") or _ended(status)
        evicted = "evicted: " if status.get("reason") == "Evicted" else ""
        return NotReady(f"{evicted}{told or phase}{_disruption(item)}", hopeless=True)
    for container in status.get("containerStatuses") or ():
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _HOPELESS:
            hint = "; set another image with --image or cluster.image" if "Image" in waiting["reason"] else ""
            node = item["spec"].get("nodeName")
            return NotReady(f"{waiting['reason']} on {node}: {waiting.get('message', '')}{hint}", hopeless=True)
        if container.get("ready"):
            return None
        if waiting:
            return NotReady(waiting.get("reason", "waiting"))
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition["status"] != "True":
            return NotReady(f"{condition.get('reason', '')}: {condition.get('message', '')}")
    return NotReady(f"phase {phase}")


def _ended(status: dict) -> str:
    for container in status.get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated") or {}
        if ended:
            return f"container ended: {ended.get('reason')} (status {ended.get('exitCode')})"
    return ""


def _disruption(item: dict) -> str:
    for condition in (item.get("status") or {}).get("conditions") or ():
        if condition["type"] == "DisruptionTarget" and condition["status"] == "True":
            return f" ({condition.get('reason')}: {condition.get('message', '')})"
    return ""


def _checked(item: dict, want: Want) -> Pod:
    name, found = item["metadata"]["name"], item["spec"].get("nodeName")
    if found != want.node.name:
        raise ClusterError(f"pod {name} was to be on {want.node.name} and is on {found}")
    ip = item["status"].get("podIP") or ""
    if not ip:
        raise ClusterError(f"pod {name} on {found} runs without an address")
    if want.host != (ip == item["status"].get("hostIP")):
        raise ClusterError(
            f"pod {name} on {found} has address {ip}; the node's is {item['status'].get('hostIP')}"
        )
    return Pod(name, item["metadata"]["namespace"], want.role, found, ip, item["metadata"]["uid"])


def remove_namespaces(api: Api, names: Iterable[str], timeout_s: float = GONE_S) -> str:
    """Delete namespaces, wait until they are gone, and tell of one that is stuck in Terminating."""
    waiting = list(names)
    for name in waiting:
        api.delete(f"{NAMESPACES}/{name}")
    end = time.monotonic() + timeout_s
    stuck: dict[str, str] = {}
    while waiting:
        stuck = {}
        for name in waiting:
            try:
                stuck[name] = _stuck(api.get(f"{NAMESPACES}/{name}"))
            except NotFound:
                continue
        waiting = list(stuck)
        if not waiting or time.monotonic() > end:
            break
        time.sleep(0.3)
    return "; ".join(f"namespace {name} is still {why} after {timeout_s:g} s" for name, why in stuck.items())


def _stuck(namespace: dict) -> str:
    status = namespace.get("status") or {}
    told = [
        c["message"]
        for c in status.get("conditions") or ()
        if c.get("status") == "True" and c.get("type", "").startswith("Namespace") and c.get("message")
    ]
    return f"{status.get('phase', 'there')}" + (f": {' '.join(told)}" if told else "")
