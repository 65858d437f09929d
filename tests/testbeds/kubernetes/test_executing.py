"""Exec streams against a WebSocket server of the tests' own that ends them in every way a stream can end."""

import asyncio
import json
import threading

import pytest
import tornado.httpserver
import tornado.web
import tornado.websocket
from kubernetes import client

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes import executing
from cnilab.testbeds.kubernetes.api import Api, NotFound
from cnilab.testbeds.kubernetes.executing import ExecLost

OUT, ERR, STATUS = b"\x01", b"\x02", b"\x03"
SUCCESS = json.dumps({"status": "Success"}).encode()


def exit_code(code):
    causes = [{"reason": "ExitCode", "message": str(code)}]
    return json.dumps(
        {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
    ).encode()


#: How the server ends a stream, by the first word of the command.
WAYS = {
    "fine": [OUT + b"first ", OUT + b"second\n", ERR + b"aside\n", STATUS + SUCCESS],
    "fails": [OUT + b"half", ERR + b"no such thing\n", STATUS + exit_code(3)],
    "binary": [OUT + bytes(range(256)) * 300, STATUS + SUCCESS],
    "no-status": [OUT + b'{"end": {"sum_received": {"bits_per_second": 1e9}}}'],
    "silent": [],
    "strange": [OUT + b"x", STATUS + b"not json"],
    "killed": [
        OUT + b"x",
        STATUS + json.dumps({"status": "Failure", "message": "container not found"}).encode(),
    ],
    "hangs": [OUT + b"begun", None],
}


class Exec(tornado.websocket.WebSocketHandler):
    def select_subprotocol(self, subprotocols):
        return "v4.channel.k8s.io"

    async def open(self):
        way = self.get_query_argument("command")
        if way == "cut":
            await self.write_message(OUT + b"in the middle of", binary=True)
            await asyncio.sleep(0.1)
            self.ws_connection.stream.socket.shutdown(2)
            return
        for message in WAYS[way]:
            if message is None:
                return
            await self.write_message(message, binary=True)
        self.close()


class Missing(tornado.web.RequestHandler):
    def get(self):
        self.set_status(404)
        self.finish({"reason": "NotFound", "message": 'pods "gone" not found'})


@pytest.fixture(scope="module")
def api():
    """An Api whose server only knows exec."""
    ready, told = threading.Event(), {}

    async def serve():
        app = tornado.web.Application(
            [(r"/api/v1/namespaces/n/pods/gone/exec", Missing), (r"/api/v1/namespaces/n/pods/p/exec", Exec)]
        )
        sockets = tornado.netutil.bind_sockets(0, "127.0.0.1")
        server = tornado.httpserver.HTTPServer(app)
        server.add_sockets(sockets)
        told.update(port=sockets[0].getsockname()[1], loop=asyncio.get_running_loop(), stop=asyncio.Event())
        ready.set()
        await told["stop"].wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    configuration = client.Configuration()
    configuration.host = f"http://127.0.0.1:{told['port']}"
    yield Api(configuration)
    told["loop"].call_soon_threadsafe(told["stop"].set)
    thread.join(10)


def test_a_program_that_ends_well(api):
    done = executing.run(api, "n", "p", ["fine"])
    assert (done.code, done.stdout, done.stderr) == (0, b"first second\n", b"aside\n")


def test_a_program_that_fails_has_its_own_status(api):
    done = executing.run(api, "n", "p", ["fails"])
    assert (done.code, done.stdout, done.stderr) == (3, b"half", b"no such thing\n")


def test_bytes_go_to_files_as_they_are(api, tmp_path):
    stream = executing.start(api, "n", "p", ["binary"], stdout=tmp_path / "out", stderr=tmp_path / "err")
    assert stream.finish(10).code == 0
    assert (tmp_path / "out").read_bytes() == bytes(range(256)) * 300
    assert (tmp_path / "err").read_bytes() == b""


@pytest.mark.parametrize("way", ["no-status", "silent", "cut"])
def test_a_stream_that_breaks_off_is_never_a_result(api, tmp_path, way):
    stream = executing.start(api, "n", "p", [way], stdout=tmp_path / "out")
    with pytest.raises(ExecLost, match=f"{way} in pod p: the stream (ended without a status|broke off)"):
        stream.finish(10)
    if way == "no-status":  # however complete the bytes look
        assert json.loads((tmp_path / "out").read_bytes())["end"]


@pytest.mark.parametrize(
    ("way", "why"), [("strange", "unreadable status"), ("killed", "container not found")]
)
def test_a_status_that_is_none_is_a_loss(api, way, why):
    with pytest.raises(ExecLost, match=why):
        executing.run(api, "n", "p", [way])


def test_a_program_that_does_not_end_is_left_after_its_time(api):
    stream = executing.start(api, "n", "p", ["hangs"])
    assert stream.finish(0.3) is None
    stream.close()
    with pytest.raises(ExecLost, match=r"hangs in pod p: still running after 0.2 s"):
        executing.run(api, "n", "p", ["hangs"], timeout_s=0.2)


def test_the_first_line_is_had_while_the_rest_comes_later(api):
    stream = executing.start(api, "n", "p", ["fine"])
    assert stream.line(executing.STDERR_CHANNEL, 5) == b"aside"
    assert stream.finish(5).stdout == b"first second\n"
    stream = executing.start(api, "n", "p", ["hangs"])
    assert stream.line(executing.STDERR_CHANNEL, 0.2) == b""
    stream.close()


def test_a_pod_that_is_not_there_is_told_by_the_server(api):
    with pytest.raises(NotFound, match='pods "gone" not found'):
        executing.run(api, "n", "gone", ["fine"])
    with pytest.raises(ClusterError):
        executing.run(api, "n", "gone", ["fine"])
