"""How a program with a client, and mostly a server, is measured: the one act that all of today's programs share.

The server serves for as long as its client runs; output of both goes straight into the trial's folder. Knows no
program: each module of :mod:`cnilab.measurements` brings its own commands.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from cnilab.bench import Argv, Bench, Ended, kept
from cnilab.measurements.base import Call, Reading
from cnilab.measurements.reading import ends, texts

#: Where a server listens: everywhere in its namespace or pod.
ANYWHERE = "0.0.0.0"


@dataclass(frozen=True)
class ClientServer:
    """A program called by two command lines.

    Parameters
    ----------
    parse
        Reads what the client printed.
    client_argv
        The client's command for a call and a server's address.
    server_argv
        The server's for a call and the address to serve on; None where there is no server, because the kernel answers.
    port
        What the server listens on.
    """

    parse: Callable[[bytes], list[Reading]]
    client_argv: Callable[[Call, str], Argv]
    server_argv: Callable[[Call, str], Argv] | None = None
    port: int = 0

    def measure(self, bench: Bench, call: Call, folder: Path, limit_s: float) -> Ended:
        """Serve at every server's end and run the client once, against the address they share."""
        servers = bench.servers()
        client = self.client_argv(call, servers[0].address)
        called: dict[str, object] = {"client_argv": kept(client)}
        with ExitStack() as standing:
            served = []
            if self.server_argv is not None:
                server = self.server_argv(call, ANYWHERE)
                called["server_argv"] = kept(server)
                for number, end in enumerate(servers, 1):
                    name = "server" if number == 1 else f"server-{number}"
                    out, err = folder / f"{name}.out", folder / f"{name}.err"
                    served.append(
                        standing.enter_context(bench.serve(end, server, port=self.port, out=out, err=err))
                    )
            ended = bench.run(
                bench.client(),
                client,
                out=folder / "client.out",
                err=folder / "client.err",
                limit_s=limit_s,
            )
        if served:
            called["server_code"] = served[0].code
        return replace(ended, called=called | dict(ended.called))  # a recording knows better what was called

    def read(self, folder: Path) -> list[Reading]:
        """Read the client's output."""
        return self.parse(ends.trusted(texts.plain((folder / "client.out").read_bytes())))
