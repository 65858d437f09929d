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
#: The longest that one look at the clock may last: if it lasted longer, all of us were stopped, and that is no silence.
_SLICE_S = 1.0
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
    LabError
        If the agent fell silent or was killed before it said anything: that says nothing of this machine.
    """

    def __init__(self, start_timeout_s: float = 30.0) -> None:
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
        self._orders = 0
        try:
            self.root = self._answer(0, start_timeout_s)["root"]
        except LabError as error:
            self.close()
            if error.fact.code != "bench_failed.lab_ended" or error.fact.quoted is None:
                raise
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
        """Give one order and return its answer; one that comes late for an earlier order is dropped.

        Raises
        ------
        LabError
            If the agent says no, is gone, or is silent for ``answer_within_s``: then it is ended.
        """
        assert self._process.stdin is not None
        self._orders += 1
        try:
            self._process.stdin.write(
                (json.dumps({"id": self._orders, "op": op, **arguments}) + "\n").encode()
            )
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise LabError(
                f"the lab is gone ({op}): {error}; start a new one",
                Fact("bench_failed.lab_lost", {"op": op}, str(error)),
            ) from error
        return self._answer(self._orders, answer_within_s)

    def _answer(self, order: int, timeout_s: float) -> dict:
        left = timeout_s
        while True:
            line, left = self._line(left)
            if line is None:
                self._process.kill()  # what it was told may still go on in there
                self.close()
                raise LabError(
                    f"the lab has not answered for {timeout_s:g} s and was ended",
                    Fact("bench_failed.lab_silent", {"seconds": timeout_s}),
                )
            answer = json.loads(line)
            if answer.pop("id") == order:
                break
        if not answer.pop("ok"):
            words = answer["words"]
            died = Fact("bench_failed.order_died", quoted=words)
            refused = Fact("bench_failed.order_refused", quoted=words)
            raise LabError(answer["error"], died if answer["passing"] else refused)
        return answer

    def _line(self, left: float) -> tuple[bytes | None, float]:
        """Return the next line that the agent wrote, or None once ``left`` is over, and what is left of it then."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        while b"\n" not in self._buffer:
            if left <= 0:
                return None, 0.0
            asked, began = min(_SLICE_S, left), time.monotonic()
            ready = select.select([self._process.stdout], [], [], asked)[0]
            left -= min(time.monotonic() - began, asked)
            if not ready:
                continue
            chunk = os.read(self._process.stdout.fileno(), 1 << 20)
            if not chunk:
                self._process.wait(5)
                said = self._process.stderr.read().decode(errors="replace").strip()
                status = self._process.returncode
                raise LabError(
                    said[-600:] or f"its first process ended with status {status}",
                    Fact("bench_failed.lab_ended", {"status": status}, said[-600:] or None),
                )
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line, left

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
