"""The caller's end of a lab: start its agent in private namespaces, give orders, end it.

One agent a deployment. Its life hangs on a pipe that only this process holds open: when this process goes,
whatever way, the agent sees the pipe close and everything of the lab goes with it.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from cnilab.errors import LabError, Unavailable
from cnilab.facts import Fact
from cnilab.setup.programs import find, search_path

AGENT = Path(__file__).with_name("agent.py")
_HINT_USER = (
    "run as root, or allow user namespaces: "
    "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
)


def unshare_argv() -> list[str]:
    """The command that puts the agent into namespaces of its own, with a user namespace when not root."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]


class AgentProcess:
    """A running agent; ``root`` tells whether it has the machine's root or only its user namespace's.

    Raises
    ------
    Unavailable
        If this machine does not allow the namespaces; the message holds the kernel's words and the remedy.
    """

    def __init__(self, start_timeout_s: float = 10.0) -> None:
        if find("unshare") is None or find("ip") is None:
            raise Unavailable("the lab needs `unshare` and `ip`", "apt-get install util-linux iproute2")
        argv = [*unshare_argv(), sys.executable, "-I", "-S", str(AGENT)]
        environment = {"PATH": search_path(), "LC_ALL": "C", "LANG": "C", "PYTHONDONTWRITEBYTECODE": "1"}
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,  # a Ctrl-C at the terminal is for us, not for iperf3 in the middle of a trial
        )
        self._buffer = b""
        try:
            self.root = self._answer(start_timeout_s)["root"]
        except LabError as error:
            self.close()
            hint = "" if os.geteuid() == 0 else _HINT_USER
            raise Unavailable(
                f"cannot make the lab's namespaces: {error}",
                hint,
                fact=Fact("no_namespaces", {"root": os.geteuid() == 0, "remedy": hint or None}, str(error)),
            ) from error

    @property
    def first_process(self) -> int:
        """Process id, outside, of the lab's first process."""
        with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children") as file:
            return int(file.read().split()[0])

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, op: str, answer_within_s: float = 60.0, **arguments: Any) -> dict:
        """Give one order and return the answer.

        Raises
        ------
        LabError
            If the agent says no, is gone, or is silent for ``answer_within_s``.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write((json.dumps({"op": op, **arguments}) + "\n").encode())
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise LabError(
                f"the lab is gone ({op}): {error}; start a new one",
                Fact("bench_failed.lab_lost", {"op": op}, str(error)),
            ) from error
        return self._answer(answer_within_s)

    def _answer(self, timeout_s: float) -> dict:
        assert self._process.stdout is not None
        stream = self._process.stdout.fileno()
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                raise LabError(
                    f"the lab has not answered for {timeout_s:g} s",
                    Fact("bench_failed.lab_silent", {"seconds": timeout_s}),
                )
            chunk = os.read(stream, 1 << 20)
            if not chunk:
                assert self._process.stderr is not None
                self._process.wait(5)
                said = self._process.stderr.read().decode(errors="replace").strip()
                status = self._process.returncode
                raise LabError(
                    said[-600:] or f"its first process ended with status {status}",
                    Fact("bench_failed.lab_ended", {"status": status}, said[-600:] or None),
                )
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        answer = json.loads(line)
        if not answer.pop("ok"):
            raise LabError(answer["error"], Fact("bench_failed.order_refused", quoted=answer["words"]))
        return answer

    def close(self) -> None:
        """End the agent and with it the lab; returns when its first process is gone."""
        process = self._process
        if process.stdin:
            with suppress(OSError):
                process.stdin.close()
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()

    def __enter__(self) -> AgentProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
