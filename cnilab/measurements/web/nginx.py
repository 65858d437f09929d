"""nginx as the other end of an HTTP test: one process that serves one file, started from nothing but a shell.

It is the program that people run, so that a figure of ours is the figure of the same command typed by hand. One
process (``master_process off``), so that a replica is at most one CPU and nothing needs another user. All it writes
lies below ``/run`` in a lab, which goes with the lab, and below ``/tmp`` in a pod. It counts its requests: ``/status``.
"""

from __future__ import annotations

from collections.abc import Mapping

from cnilab.bench import Argv
from cnilab.measurements.base import Call, Option, Program, whole

PROGRAM = Program("nginx", ("-v",))
PORT = 8080
STATUS = "/status"
#: Bytes of an answer's body where nothing is asked for: a small document.
BODY_BYTES = 200


def _one_of(*words: str) -> Option:
    return Option(" or ".join(words), lambda text: text in words)


#: What every test against nginx takes.
OPTIONS: Mapping[str, Option] = {
    "body_bytes": whole(0),
    "connection": _one_of("keep", "new"),
    "over": _one_of("network", "loopback"),
}
TLS: Mapping[str, Option] = {"tls": _one_of("yes", "no")}

_SCRIPT = """\
set -e
d=/run/cnilab-http; mkdir -p $d/www 2>/dev/null || { d=/tmp/cnilab-http; mkdir -p $d/www; }
[ -e $d/www/$1 ] || { head -c $1 /dev/zero | tr '\\0' x >$d/$$.body; mv $d/$$.body $d/www/$1; }
tls=
if [ $2 = yes ]; then
  tls="ssl; ssl_certificate $d/$$.crt; ssl_certificate_key $d/$$.key"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=cnilab -days 2 \
    -keyout $d/$$.key -out $d/$$.crt 2>/dev/null
fi
cat >$d/$$.conf <<END
daemon off; master_process off; pid $d/$$.pid; error_log stderr warn;
events { worker_connections 1000; }
http {
  access_log off; default_type application/octet-stream; sendfile on;
  keepalive_requests 1000000000; keepalive_timeout 3600s; open_file_cache max=16 inactive=3600s;
  client_body_temp_path $d/body; proxy_temp_path $d/proxy; fastcgi_temp_path $d/fastcgi;
  uwsgi_temp_path $d/uwsgi; scgi_temp_path $d/scgi;
  server { listen PORT backlog=4096 $tls; root $d/www; location = STATUS { stub_status; } }
}
END
e=; nginx -e stderr -v 2>/dev/null && e='-e stderr'
exec nginx $e -p $d -c $d/$$.conf""".replace("PORT", str(PORT)).replace("STATUS", STATUS)


def server_argv(call: Call) -> Argv:
    """Return the command that serves what a call asks for on every address of its namespace or pod."""
    argv = ["sh", "-c", _SCRIPT, "sh", body(call), call.options.get("tls", "no")]
    return argv if call.server_cpu is None else ["taskset", "-c", str(call.server_cpu), *argv]


def body(call: Call) -> str:
    """Return how many bytes an answer's body has; it is the name of the file, too."""
    return call.options.get("body_bytes", str(BODY_BYTES))
