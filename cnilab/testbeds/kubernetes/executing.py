"""Programs in pods: one exec stream a program, its bytes straight into a file, its end never guessed.

The API server joins the streams of a program to a WebSocket and sends, last, a status on a channel of its own.
Only that status ends a program here: a stream that breaks off without it is :class:`ExecLost`, however
complete the bytes look. What the bytes mean is not decided here.

Protocol: ``v4.channel.k8s.io`` / ``v5.channel.k8s.io`` of ``k8s.io/apimachinery/pkg/util/remotecommand``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import websocket
from kubernetes.client.exceptions import ApiException
from kubernetes.stream.ws_client import ERROR_CHANNEL, STDERR_CHANNEL, STDOUT_CHANNEL, WSClient

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.api import Api, _error

#: Seconds an exec may take to be opened, and to say its status once its output has ended.
OPEN_S = 20.0


class ExecLost(ClusterError):
    """The stream broke off before the program's status came: what was read is not a result."""


@dataclass
class Finished:
    """A program that ended, by its own status."""

    code: int
    stdout: bytes = b""
    stderr: bytes = b""
    started_at: float = 0.0
    wall_s: float = 0.0

    @property
    def text(self) -> str:
        return self.stdout.decode(errors="replace")


@dataclass
class Stream:
    """A running program; :meth:`finish` waits for its end.

    Parameters
    ----------
    stdout, stderr
        Files to write to as bytes come, or None to keep them in memory.
    """

    what: str
    socket: WSClient
    stdout: Path | None = None
    stderr: Path | None = None
    started_at: float = field(default_factory=time.time)
    _kept: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    _files: dict[int, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for channel, path in ((STDOUT_CHANNEL, self.stdout), (STDERR_CHANNEL, self.stderr)):
            if path is not None:
                self._files[channel] = open(path, "wb")  # noqa: SIM115 closed by close()

    def read(self, timeout_s: float) -> bool:
        """Take in what has come, waiting at most ``timeout_s`` for the first of it; False once the stream ended."""
        if not self.socket.is_open():
            return False
        try:
            self.socket.update(timeout=timeout_s)
        except (OSError, websocket.WebSocketException) as error:
            self.close()
            raise ExecLost(f"{self.what}: the stream broke off: {error or type(error).__name__}") from None
        for channel in (STDOUT_CHANNEL, STDERR_CHANNEL):
            data = self.socket._channels.pop(channel, b"")
            if data:
                self._files[channel].write(data) if channel in self._files else self._kept[channel].extend(
                    data
                )
        return self.socket.is_open()

    def line(self, channel: int, timeout_s: float) -> bytes:
        """Return the first line a program says on ``channel`` and leave the rest to be read; b"" if none comes."""
        end = time.monotonic() + timeout_s
        kept = self._kept[channel]
        while b"\n" not in kept and time.monotonic() < end:
            if not self.read(max(0.0, min(1.0, end - time.monotonic()))):
                break
        first, newline, rest = bytes(kept).partition(b"\n")
        kept[:] = rest
        return first if newline else b""

    def finish(self, timeout_s: float) -> Finished | None:
        """Wait for the program's status; None if it is still running after ``timeout_s``.

        Raises
        ------
        ExecLost
            If the stream ends without one.
        """
        end = time.monotonic() + timeout_s
        while self.read(max(0.0, min(1.0, end - time.monotonic()))):
            if time.monotonic() > end:
                return None
        status = self.socket._channels.pop(ERROR_CHANNEL, b"")
        self.close()
        return Finished(
            _code(status, self.what),
            bytes(self._kept[1]),
            bytes(self._kept[2]),
            self.started_at,
            time.time() - self.started_at,
        )

    def close(self) -> None:
        """Let go of the stream and the files. It does not end the program: a pod's program outlives its stream."""
        for file in self._files.values():
            if not file.closed:
                file.close()
        self.socket.close()
        self.socket.sock.shutdown()  # what close() leaves out once the other side has said goodbye


def _code(status: bytes, what: str) -> int:
    if not status:
        raise ExecLost(f"{what}: the stream ended without a status; the node or the API server was lost")
    try:
        told = json.loads(status)
    except ValueError:
        raise ExecLost(f"{what}: unreadable status {status[:80]!r}") from None
    if told.get("status") == "Success":
        return 0
    for cause in (told.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise ExecLost(f"{what}: {told.get('message') or told}")


def start(
    api: Api,
    namespace: str,
    pod: str,
    argv: Sequence[str],
    *,
    container: str = "",
    stdout: Path | None = None,
    stderr: Path | None = None,
) -> Stream:
    """Begin a program in a pod.

    Raises
    ------
    ClusterError
        If the stream cannot be opened: no such pod, not running, or not allowed.
    """
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/exec"
    asked = [("command", a) for a in argv] + [("stdout", "1"), ("stderr", "1")]
    if container:
        asked.append(("container", container))
    what = f"{argv[0]} in pod {pod}"
    _, url, headers, *_ = api._client.param_serialize(
        "GET", path, header_params={"Accept": "*/*"}, auth_settings=["BearerToken"]
    )
    url = f"{url}?{urlencode(asked, quote_via=quote)}"
    url = url.replace("https://", "wss://", 1).replace("http://", "ws://", 1)
    before = websocket.getdefaulttimeout()
    websocket.setdefaulttimeout(OPEN_S)
    try:
        socket = WSClient(api.configuration, url, headers, False, binary=True)
    except ApiException as error:
        raise ClusterError(f"{what}: {error.reason or error}") from None
    except websocket.WebSocketBadStatusException as error:
        raise _error(error.status_code, error.resp_body or b"", "exec", path, None) from None
    except (OSError, websocket.WebSocketException) as error:
        raise ExecLost(f"{what}: the stream could not be opened: {error}") from None
    finally:
        websocket.setdefaulttimeout(before)
    return Stream(what, socket, stdout, stderr)


def run(
    api: Api, namespace: str, pod: str, argv: Sequence[str], *, container: str = "", timeout_s: float = 30
) -> Finished:
    """Run a short program to its end and return what it said; its status is the caller's to judge.

    Raises
    ------
    ExecLost
        If it does not end within ``timeout_s`` or its stream breaks off.
    """
    stream = start(api, namespace, pod, argv, container=container)
    try:
        done = stream.finish(timeout_s)
    finally:
        stream.close()
    if done is None:
        raise ExecLost(f"{stream.what}: still running after {timeout_s:g} s")
    return done
