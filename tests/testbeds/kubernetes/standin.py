"""Stand-ins for what a bare API server has not: controllers that roll a DaemonSet, and agents that answer.

They write what the real ones would write into the objects (status, node annotations) and move no packet. Whatever is
tested with them is tested against the real API server and *not* against flannel or Calico.
"""

import threading

from cnilab.testbeds.kubernetes.api import Api, ApiError

CALICO = {
    "ipip": ("projectcalico.org/IPv4IPIPTunnelAddr", "10.244.0.1"),
    "vxlan": ("projectcalico.org/IPv4VXLANTunnelAddr", "10.244.0.2"),
    "wireguard": ("projectcalico.org/WireguardPublicKey", "c3RhbmQtaW4="),
}


class StandIn:
    """Plays controller and agents every few milliseconds until closed."""

    def __init__(self, kubeconfig, daemonsets, group=None):
        self.api, self.daemonsets, self.group = Api.load(str(kubeconfig)), daemonsets, group
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(10)

    def _play(self):
        while not self._stop.wait(0.02):
            try:
                for path in self.daemonsets:
                    self._roll(path)
                if self.group:
                    self._answer()
                else:
                    self._announce()
            except ApiError:
                continue

    def _roll(self, path):
        item = self.api.get(path)
        generation = item["metadata"]["generation"]
        if (item.get("status") or {}).get("observedGeneration") != generation:
            counts = ("desiredNumberScheduled", "updatedNumberScheduled", "numberReady", "numberAvailable")
            status = {**dict.fromkeys(counts, 3), "currentNumberScheduled": 3, "numberMisscheduled": 0}
            self.api.patch(f"{path}/status", {"status": {**status, "observedGeneration": generation}})

    def _annotate(self, wanted):
        for node in self.api.items("/api/v1/nodes"):
            told = node["metadata"].get("annotations") or {}
            change = {k: v for k, v in wanted.items() if told.get(k) != v}
            if change:
                self.api.patch(
                    f"/api/v1/nodes/{node['metadata']['name']}", {"metadata": {"annotations": change}}
                )

    def _answer(self):
        pools = [p["spec"] for p in self.api.items(f"{self.group}/ippools")]
        on = {
            "ipip": any(p.get("ipipMode", "Never") != "Never" for p in pools),
            "vxlan": any(p.get("vxlanMode", "Never") != "Never" for p in pools),
            "wireguard": any(
                f["spec"].get("wireguardEnabled") for f in self.api.items(f"{self.group}/felixconfigurations")
            ),
        }
        self._annotate({key: (value if on[name] else None) for name, (key, value) in CALICO.items()})

    def _announce(self):
        from cnilab.testbeds.kubernetes.switching import flannel

        mode = flannel._mode_of(flannel.find(self.api).net_conf)
        self._annotate({flannel.ANNOTATION: flannel.BACKENDS[mode]["Type"]})


class Killed(BaseException):
    """What SIGKILL is to a process, at one call."""


class Mortal(Api):
    """An Api that dies at its n-th call: before the server has it, or after it has acted and before we know."""

    def __init__(self, *told, **named):
        super().__init__(*told, **named)
        self.calls, self.dies_at, self.after = 0, None, False

    def _once(self, *told):
        self.calls += 1
        if self.calls == self.dies_at and not self.after:
            raise Killed
        try:
            return super()._once(*told)
        finally:
            if self.calls == self.dies_at:
                raise Killed
