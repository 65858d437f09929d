"""The bench of one trial on a cluster: programs in pods, raw bytes straight to disk.

A program in a pod outlives its exec stream, so a server's process id is asked for and it is ended by that. What
was measured is not looked at here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from cnilab.bench import Argv, End, Ended, Served, spelled
from cnilab.errors import ClusterError
from cnilab.facts import Fact
from cnilab.testbeds.kubernetes import executing
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.pods import Pod

LISTEN_S = 10.0
_LISTENS = b"cnilab: listens"
#: Starts the server, says its process id, then that its port listens (TCP state 0A, or any UDP socket), by what
#: every shell can read; ends with the server.
_SERVE = """\
port=$1; shift
"$@" & s=$!
echo "$s" >&2
p=$(printf ':%04X ' "$port"); i=0
while [ $i -lt 400 ] && kill -0 $s 2>/dev/null; do
  if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep "$p" | grep -q ' 0A ' ||
     cat /proc/net/udp /proc/net/udp6 2>/dev/null | grep -q "$p"; then echo 'cnilab: listens' >&2; break; fi
  i=$((i+1)); sleep 0.02 2>/dev/null || sleep 1
done
wait $s"""


class KubernetesBench:
    """Two pods of a deployment; fulfils :class:`cnilab.measurements.base.Bench`.

    Parameters
    ----------
    client, server
        The pods at either end.
    address
        Where the server is reached: its own address, or a Service's.
    watchers
        Pods on the nodes' own network, by node, for :meth:`ask`.
    lost
        Tells why a pod is no longer there, or nothing.
    """

    def __init__(
        self,
        api: Api,
        client: Pod,
        server: Pod,
        address: str,
        watchers: Mapping[str, Pod],
        lost: Callable[[Pod], str],
    ) -> None:
        self.api, self.address, self.watchers, self.lost = api, address, watchers, lost
        self._client, self._server = client, server
        #: Why the pods must be placed again before the next trial, or nothing.
        self.trouble = ""

    def __enter__(self) -> KubernetesBench:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if error is not None and not isinstance(error, ClusterError):
            self.trouble = "a trial ended in mid-air"
            return
        failed = str(error or "")
        # A client whose server was taken away may end in good order (iperf3 -J does): ask after the pods, always.
        why = self.lost(self._client) or self.lost(self._server)
        if failed or why:
            self.trouble = why or failed
        if why:
            raise ClusterError(
                f"{why}; {failed or 'it was in the middle of a trial'}",
                Fact("bench_failed.pod_lost", quoted=why),
            ) from None

    def client(self) -> End:
        return End(self._client.name, self._client.ip)

    def servers(self) -> Sequence[End]:
        return [End(self._server.name, self.address)]

    def nodes(self) -> Sequence[str]:
        return list(self.watchers)

    def serve(
        self, end: End, argv: Argv, *, port: int, out: Path, err: Path
    ) -> AbstractContextManager[Served]:
        return Server(self.api, self._pod(end), spelled(argv, _own), port, out, err)

    def run(self, end: End, argv: Argv, *, out: Path, err: Path, limit_s: float) -> Ended:
        """Run a program to its end.

        Raises
        ------
        ExecLost
            If its stream breaks off: what stands in ``out`` then is no result.
        """
        pod = self._pod(end)
        stream = executing.start(
            self.api, pod.namespace, pod.name, spelled(argv, _own), stdout=out, stderr=err
        )
        try:
            done = stream.finish(limit_s)
        finally:
            stream.close()
        if done is None:
            self.trouble = "a client is still running"
            return Ended(stream.started_at, limit_s, None, timed_out=True)
        return Ended(stream.started_at, done.wall_s, done.code)

    def ask(self, node: str, argv: Argv, *, out: Path) -> str:
        """Run a short command on a node's own network.

        Raises
        ------
        ClusterError
            If no pod of ours may stand there, or the command is unhappy.
        """
        pod = self.watchers.get(node)
        if pod is None:
            raise ClusterError(f"no pod of ours is on the network of node {node}; it cannot be asked")
        done = executing.run(self.api, pod.namespace, pod.name, spelled(argv, _own))
        with open(out, "ab") as file:
            file.write(done.stdout)
        if done.code:
            raise ClusterError(
                f"{argv[0]} on node {node} ended with status {done.code}: {done.stderr[-300:]!r}"
            )
        return done.text

    def _pod(self, end: End) -> Pod:
        return self._client if end.where == self._client.name else self._server


def _own(path: Path) -> list[str]:
    """The command that runs a file of ours: Python goes along as text, a compiled program stands in the image."""
    return [path.stem] if path.suffix == ".c" else ["python3", "-I", "-c", path.read_text(encoding="utf-8")]


class Server(Served):
    """A server for the time of one trial; leaves its output behind.

    Raises
    ------
    ClusterError
        On entering, if it does not start or does not listen, with what it said.
    """

    def __init__(self, api: Api, pod: Pod, argv: list[str], port: int, out: Path, err: Path) -> None:
        self.api, self.pod, self.argv, self.port, self.out, self.err = api, pod, argv, port, out, err
        self._said = b""

    def __enter__(self) -> Server:
        argv = ["sh", "-c", _SERVE, "sh", str(self.port), *self.argv]
        self.stream = executing.start(self.api, self.pod.namespace, self.pod.name, argv, stdout=self.out)
        self.pid = self.stream.line(executing.STDERR_CHANNEL, LISTEN_S).decode(errors="replace").strip()
        if not self.pid.isdigit():
            self.stream.close()
            raise ClusterError(
                f"{self.argv[0]} does not start in pod {self.pod.name}: {self.pid or 'no answer'}",
                Fact("bench_failed.server_not_started", {"program": self.argv[0]}, self.pid or None),
            )
        line = b""
        for _ in range(100):
            line = self.stream.line(executing.STDERR_CHANNEL, LISTEN_S)
            if line == _LISTENS or not line:
                break
            self._said += line + b"\n"
        if line != _LISTENS:
            self.__exit__()
            said = self.err.read_text(errors="replace").strip()
            raise ClusterError(
                f"{self.argv[0]} in pod {self.pod.name} does not listen on {self.port}: {said or 'it said nothing'}",
                Fact("bench_failed.server_not_started", {"program": self.argv[0]}, said or None),
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            kill = ["sh", "-c", f"kill -TERM {self.pid} 2>/dev/null || true"]
            executing.run(self.api, self.pod.namespace, self.pod.name, kill)
            done = self.stream.finish(5)
            said = self._said + (done.stderr if done else b"")
            self.err.write_bytes(said)
        except ClusterError as error:
            self.err.write_text(f"cnilab: the server's stream was lost: {error}\n")
        finally:
            self.stream.close()
