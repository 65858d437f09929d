"""A proxy between cnilab and a real API server that delays, cuts and answers in its place, as told."""

import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import urllib3


@dataclass
class Fault:
    """What happens to the next ``times`` requests that ``match`` (method, path with query).

    Parameters
    ----------
    status, headers, body
        Answer this instead of asking the server.
    delay_s
        Wait first.
    forward
        Let the server have the request (and act on it) before anything else happens to the answer.
    keep
        Bytes of the server's answer to let through before the connection is cut; None lets all through.
    """

    match: object
    times: int = 1
    status: int = 0
    headers: tuple = ()
    body: bytes = b"{}"
    delay_s: float = 0
    forward: bool = False
    keep: int | None = None


class Proxy:
    """Plain HTTP on loopback in front, the server's TLS with the administrator's certificate behind."""

    def __init__(self, url, pki):
        self.faults, self.seen, self._lock = [], [], threading.Lock()
        context = ssl.create_default_context(cafile=str(pki / "ca.crt"))
        context.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        upstream = urllib3.PoolManager(ssl_context=context, retries=False)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                length = int(self.headers.get("Content-Length") or 0)
                sent = self.rfile.read(length) if length else None
                fault = proxy.take(self.command, self.path)
                proxy.seen.append((self.command, self.path, sent))
                if fault:
                    time.sleep(fault.delay_s)
                    if fault.status:
                        return self.answer(fault.status, fault.body, dict(fault.headers))
                    if not fault.forward:
                        return self.cut()
                headers = {
                    k: v for k, v in self.headers.items() if k.lower() not in ("host", "content-length")
                }
                told = upstream.request(self.command, url + self.path, body=sent, headers=headers)
                if fault and fault.keep is not None:
                    self.send_response(told.status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(told.data)))
                    self.end_headers()
                    self.wfile.write(told.data[: fault.keep])
                    return self.cut()
                return self.answer(told.status, told.data, {})

            def answer(self, status, body, headers):
                self.send_response(status)
                for key, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def cut(self):
                self.close_connection = True
                self.connection.close()

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, method, path):
        with self._lock:
            for fault in self.faults:
                if fault.times and fault.match(method, path):
                    fault.times -= 1
                    return fault
        return None

    def close(self):
        self.server.shutdown()
        self.server.server_close()
