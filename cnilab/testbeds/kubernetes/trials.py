"""One trial's two programs in two pods: a server for as long as the client needs it, raw bytes straight to disk.

A program in a pod outlives its exec stream, so the server's process id is asked for and it is ended by that. What
was measured is not looked at here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cnilab.errors import ClusterError
from cnilab.measurements.wrk import http_server
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
  if [ "$port" = 0 ] || cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep "$p" | grep -q ' 0A ' ||
     cat /proc/net/udp /proc/net/udp6 2>/dev/null | grep -q "$p"; then echo 'cnilab: listens' >&2; break; fi
  i=$((i+1)); sleep 0.02 2>/dev/null || sleep 1
done
wait $s"""


class Server:
    """A tool's server for the time of one trial; leaves ``server.out`` and ``server.err`` behind.

    Raises
    ------
    ClusterError
        On entering, if it does not start or does not listen, with what it said.
    """

    def __init__(self, api: Api, pod: Pod, argv: list[str], port: int, folder: Path) -> None:
        self.api, self.pod, self.argv, self.port, self.folder = api, pod, argv, port, folder
        self._said = b""

    def __enter__(self) -> Server:
        argv = ["sh", "-c", _SERVE, "sh", str(self.port), *self.argv]
        self.stream = executing.start(
            self.api, self.pod.namespace, self.pod.name, argv, stdout=self.folder / "server.out"
        )
        self.pid = self.stream.line(executing.STDERR_CHANNEL, LISTEN_S).decode(errors="replace").strip()
        if not self.pid.isdigit():
            self.stream.close()
            raise ClusterError(
                f"{self.argv[0]} does not start in pod {self.pod.name}: {self.pid or 'no answer'}"
            )
        line = b""
        for _ in range(100):
            line = self.stream.line(executing.STDERR_CHANNEL, LISTEN_S)
            if line == _LISTENS or not line:
                break
            self._said += line + b"\n"
        if line != _LISTENS:
            self.__exit__()
            said = (self.folder / "server.err").read_text(errors="replace").strip()
            raise ClusterError(
                f"{self.argv[0]} in pod {self.pod.name} does not listen on {self.port}: {said or 'it said nothing'}"
            )
        return self

    def __exit__(self, *_: object) -> None:
        try:
            kill = ["sh", "-c", f"kill -TERM {self.pid} 2>/dev/null || true"]
            executing.run(self.api, self.pod.namespace, self.pod.name, kill)
            done = self.stream.finish(5)
            said = self._said + (done.stderr if done else b"")
            (self.folder / "server.err").write_bytes(said)
        except ClusterError as error:
            (self.folder / "server.err").write_text(f"cnilab: the server's stream was lost: {error}\n")
        finally:
            self.stream.close()


def client(api: Api, pod: Pod, argv: list[str], folder: Path, timeout_s: float) -> dict:
    """Run a client to its end; ``code``, ``timed_out``, ``started_at`` (Unix time) and ``wall_s`` (seconds).

    Raises
    ------
    ExecLost
        If its stream breaks off: what stands in ``client.out`` then is no result.
    """
    stream = executing.start(
        api, pod.namespace, pod.name, argv, stdout=folder / "client.out", stderr=folder / "client.err"
    )
    try:
        done = stream.finish(timeout_s)
    finally:
        stream.close()
    ended = {"started_at": stream.started_at, "timed_out": done is None}
    if done is None:
        return {**ended, "code": None, "wall_s": timeout_s}
    return {**ended, "code": done.code, "wall_s": done.wall_s}


def in_image(argv: list[str]) -> list[str]:
    """A server that is this package's own Python file goes along as its text: the image has no cnilab."""
    if argv[0] != sys.executable:
        return argv
    return ["python3", "-I", "-c", Path(http_server.__file__).read_text(), *argv[3:]]
