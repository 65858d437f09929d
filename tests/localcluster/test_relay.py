"""The way in from outside, on loopback: every byte, both ends of a connection, and a server that is not there."""

import io
import socket
import subprocess
import sys
import threading

import pytest

from cnilab.localcluster import progress
from cnilab.localcluster.apiserver import free_ports
from cnilab.localcluster.progress import Progress


@pytest.fixture
def relayed():
    """Start a relay to a port; return the port it listens on. The listener is made here and handed down."""
    processes = []

    def start(port):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            handed = listener.fileno()
            argv = [
                sys.executable,
                "-m",
                "cnilab.localcluster.relay",
                str(handed),
                "127.0.0.1",
                str(port),
            ]
            processes.append(subprocess.Popen(argv, pass_fds=(handed,), stderr=subprocess.DEVNULL))
            return listener.getsockname()[1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def test_large_answers_come_whole_and_the_end_is_passed_on(relayed):
    size = 3_000_000
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            peer, _ = server.accept()
            with peer:
                asked = b""
                while part := peer.recv(65536):  # until the client's end arrives
                    asked += part
                peer.sendall(asked[::-1])

        thread = threading.Thread(target=answer)
        thread.start()
        sent = bytes(range(250)) * (size // 250)
        with socket.create_connection(("127.0.0.1", relayed(server.getsockname()[1])), timeout=20) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            got = b"".join(iter(lambda: client.recv(65536), b""))
        thread.join(20)
    assert got == sent[::-1]


def test_a_server_that_is_not_there_closes_the_connection(relayed):
    with socket.create_connection(("127.0.0.1", relayed(free_ports(1)[0])), timeout=20) as client:
        assert client.recv(10) == b""


def test_progress_writes_steps_and_not_every_note(monkeypatch):
    out = io.StringIO()
    shown = Progress(out)
    shown.note("not yet")
    shown.step("reached")
    monkeypatch.setattr(progress, "QUIET_S", -1.0)
    shown.note("after a while")
    lines = out.getvalue().splitlines()
    assert [line.split(" s  ")[1] for line in lines] == ["reached", "after a while"]
    assert "\x1b" not in out.getvalue()


def test_progress_on_a_terminal_overwrites_notes(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
    shown = Progress(out)
    shown.note("one")
    shown.step("two")
    assert out.getvalue().count("\n") == 1
    assert "one\r\x1b[2K" in out.getvalue()


def test_a_silent_one_is_silent():
    out = io.StringIO()
    Progress(out, silent=True).step("x")
    assert out.getvalue() == ""
