"""The lab's first process: builds namespaces, holds them, and runs programs in them when told.

It is process 1 of a private process tree (mount, network and process namespaces, a user namespace too when not
root). Orders come as JSON lines on standard input, each with an id that its answer repeats; when that closes, by
whatever death of the other side, it exits, and with process 1 the kernel removes every process, namespace, device,
route and mount of the lab. Standard library only, because it must be up in a few milliseconds. It decides nothing: what
to build is written by :mod:`.flannel`, :mod:`.calico` and their like; what the packets say is read by :mod:`.wire`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

# Run by path, before the package can be imported: its neighbours are imported by path too.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import fleet
import trail
import wire
from builder import Builder
from guard import Guard
from inner import NETNS, NO_ROOM, PARALLEL, Failed, command, end_of, inside, inside_async, libc, start
from runner import Runner

MS_REC, MS_PRIVATE = 0x4000, 0x40000


class Agent:
    """The orders, each a method ``op_…``."""

    def __init__(self) -> None:
        self.builder, self.runner = Builder(), Runner()
        self.guard: Guard | None = None
        self.fleet: fleet.Fleet | None = None

    def op_build(self, phases: list) -> dict:
        """Do the steps of each phase."""
        return self.builder.build(phases)

    def op_read(self, ns: str, argv: list[str]) -> dict:
        """Run a reading command in ``ns``; return what it printed."""
        return {"stdout": inside(ns, command, argv, None)}

    def op_read_many(self, commands: list) -> dict:
        """The same for a list of (ns, argv), in parallel; an unhappy command's answer is null."""
        answers: list = [None] * len(commands)

        def one(start: int) -> None:
            for i in range(start, len(commands), PARALLEL):
                try:
                    answers[i] = inside(commands[i][0], command, commands[i][1], None)
                except Failed:
                    answers[i] = None

        threads = [threading.Thread(target=one, args=(i,)) for i in range(min(PARALLEL, len(commands)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return {"stdout": answers}

    def op_serve(self, **args: str) -> dict:
        """Start a server and wait until it listens."""
        return self.runner.serve(**args)

    def op_stop(self, name: str) -> dict:
        """End a server."""
        return self.runner.stop(name)

    def op_run(self, **args: str) -> dict:
        """Run a client to its end."""
        return self.runner.run(**args)

    def op_probe(self, ns: str, what: str, args: dict) -> dict:
        """Call one function of :mod:`.wire` inside ``ns``."""
        return {"value": inside(ns, getattr(wire, what), *args.get("args", ()))}

    def op_exchange(self, **args: object) -> dict:
        """Send probes between two namespaces and report what arrived and what passed on the underlay."""
        return wire.exchange(inside_async, **args)

    def op_follow(self, **args: object) -> dict:
        """Send one packet and report every device it was seen on."""
        return trail.follow(inside_async, **args)

    def op_fleet(self, act: str, shape: dict, folder: str, limit_s: float) -> dict:
        """Do one act of many routers and watch it to its end."""
        if self.fleet is None:
            self.fleet = fleet.Fleet(shape, inside, start)
        return fleet.act(self.fleet, act, folder, limit_s)

    def op_alive(self) -> dict:
        """Which daemons have ended, with the end of their logs."""
        ended = [name for name, process in self.builder.daemons.items() if process.poll() is not None]
        return {"dead": {name: end_of(f"/run/cnilab/{name}.log") for name in ended}}

    def op_guard(self, namespaces: list) -> dict:
        """Take what stands now for what is to stay."""
        if self.guard:
            self.guard.close()
        self.guard = Guard(namespaces)
        return {}

    def op_changes(self) -> dict:
        """What has changed since the last time."""
        return {"changes": self.guard.changes(self.builder.daemons) if self.guard else []}


def die_with_parent(stream: int) -> None:
    """Leave the moment the other side is gone, whatever else is going on."""
    import select

    poll = select.poll()
    poll.register(stream, select.POLLHUP | select.POLLERR)
    while True:
        if any(event & (select.POLLHUP | select.POLLERR) for _, event in poll.poll(1000)):
            os._exit(0)


def main() -> None:
    """Prepare the private mounts, say hello, and do orders until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the other side's business
    libc("mount", b"none", b"/", None, MS_REC | MS_PRIVATE, None)
    libc("mount", b"tmpfs", b"/run", b"tmpfs", 0, b"size=64m")
    os.makedirs(NETNS)
    os.makedirs("/run/cnilab")
    os.makedirs("/run/wireguard")
    agent = Agent()
    reply = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a child prints must not look like an answer
    threading.Thread(target=die_with_parent, args=(0,), daemon=True).start()
    with open("/proc/self/uid_map") as file:
        root = file.read().split() == ["0", "0", "4294967295"]
    reply.write(json.dumps({"id": 0, "ok": True, "root": root}) + "\n")
    for line in sys.stdin:
        order = json.loads(line)
        number = order.pop("id")
        try:
            answer = {"ok": True, **getattr(agent, f"op_{order.pop('op')}")(**order)}
        except (Failed, OSError, subprocess.SubprocessError) as error:
            answer = {"ok": False, "error": str(error), "words": getattr(error, "words", str(error))}
            answer["passing"] = getattr(error, "passing", any(what in str(error) for what in NO_ROOM))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            answer = {"ok": False, "error": said, "words": said, "passing": False}
        reply.write(json.dumps({"id": number, **answer}) + "\n")
    os._exit(0)


if __name__ == "__main__":
    main()
