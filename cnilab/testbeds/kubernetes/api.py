"""The API server, as plain objects: one call, retried where that is safe, in bounded time.

Everything cnilab asks of a cluster passes through :class:`Api`, so that time-outs, retries, pages and the words
of an error are decided once. Objects are the server's own JSON, not the client's models: half of what cnilab
reads are custom resources, and a field that a newer server adds must survive being saved and put back.
It knows no kind of object; running programs in pods is :mod:`.executing`'s business.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tenacity
import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import ConfigException

from cnilab.errors import ClusterError, Unavailable
from cnilab.facts import Fact

#: Seconds to connect, and to wait for an answer once connected.
CONNECT_S, READ_S = 5.0, 30.0
#: A call is given up after this many seconds of retrying.
PATIENCE_S = 45.0
#: What may pass by itself: too many requests, the server's own faults, a gateway in between (RFC 9110, RFC 6585).
RETRIED = frozenset({429, 500, 502, 503, 504})
PAGE = 500

_PATCH_TYPES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}


class ApiError(ClusterError):
    """The server said no.

    Parameters
    ----------
    status
        HTTP status, 0 if no answer came.
    reason, message
        The server's word and sentence.
    verb, path
        What was asked.
    """

    #: What the answer's ``Retry-After`` said, if it had one.
    retry_after: str | None = None

    def __init__(self, status: int, reason: str, message: str, verb: str, path: str) -> None:
        self.status, self.reason, self.message, self.verb, self.path = status, reason, message, verb, path
        answer = f"{status} {reason}".strip() if status else "no answer"
        super().__init__(
            f"{verb} {path}: {answer}: {message}".rstrip(": "),
            Fact("bench_failed.api", {"status": status, "verb": verb, "path": path}, message or reason or None),
        )


@dataclass(frozen=True)
class NotYet:
    """The answer to :meth:`Api.wait` as long as what is waited for is not there. It is false, and says why."""

    why: str

    def __bool__(self) -> bool:
        return False


class NotFound(ApiError):
    """404: no such object, or no such kind."""


class Forbidden(ApiError):
    """401 or 403: this user may not; the message names the verb and the resource."""


class Conflict(ApiError):
    """409: somebody else changed it first, or it exists already."""


class Gone(ApiError):
    """410: a page's token has expired."""


_CLASSES = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone}


class Api:
    """One API server.

    Parameters
    ----------
    configuration
        The official client's; see :meth:`load`.
    context
        The kubeconfig's name for it, for people.
    patience_s
        Seconds after which a call that keeps failing is given up.
    """

    #: Seconds between two looks of :meth:`wait`.
    look_again_s = 0.25

    def __init__(
        self, configuration: client.Configuration, context: str = "", patience_s: float = PATIENCE_S
    ) -> None:
        configuration.retries = False  # decided here, not in two places
        self.configuration, self.context, self.patience_s = configuration, context, patience_s
        self._client = client.ApiClient(configuration)

    @classmethod
    def load(cls, kubeconfig: str | None = None, context: str | None = None) -> Api:
        """Read a kubeconfig as kubectl does: the file given, ``KUBECONFIG``, ``~/.kube/config``, then the pod's own.

        Raises
        ------
        Unavailable
            If there is no cluster to talk to; the message says where it was looked for.
        """
        # The client reads KUBECONFIG once, when it is imported; a notebook may set it later.
        kubeconfig = kubeconfig or os.environ.get("KUBECONFIG")
        made = client.Configuration()
        contexts: list[dict] = []
        try:
            contexts, active = config.list_kube_config_contexts(config_file=kubeconfig)
            config.load_kube_config(config_file=kubeconfig, context=context, client_configuration=made)
            return cls(made, context or active["name"])
        except (ConfigException, OSError, TypeError) as error:
            if kubeconfig or context:
                known = f"; it has {', '.join(c['name'] for c in contexts)}" if contexts else ""
                asked = f"context {context!r} of " if context else ""
                raise Unavailable(f"{asked}{kubeconfig or 'your kubeconfig'}: {error}{known}") from None
        try:
            config.load_incluster_config(client_configuration=made)
        except ConfigException:
            raise Unavailable(
                "no cluster: neither KUBECONFIG nor ~/.kube/config names one; "
                "set KUBECONFIG, or raise one on this machine with: cnilab cluster up"
            ) from None
        return cls(made, "in-cluster")

    @property
    def server(self) -> str:
        return self.configuration.host

    # ---- calls ----------------------------------------------------------------------------------------

    def get(self, path: str, **query: Any) -> dict:
        """Return one object, or one answer of a list call."""
        return self._call("GET", path, query)

    def items(self, path: str, *, labels: str = "", fields: str = "", page: int = PAGE) -> Iterator[dict]:
        """Yield a list's objects page by page.

        When a page's token expires on the way (410), the list is begun again and what was yielded is left out;
        after three such times the error is raised.
        """
        query: dict[str, Any] = {"limit": page, "labelSelector": labels, "fieldSelector": fields}
        seen: set[str] = set()
        for attempt in range(4):
            token = ""
            try:
                while True:
                    answer = self.get(path, **query, **({"continue": token} if token else {}))
                    for item in answer.get("items") or ():
                        uid = item["metadata"].get("uid", "")
                        if uid not in seen:
                            seen.add(uid)
                            yield item
                    token = (answer.get("metadata") or {}).get("continue") or ""
                    if not token:
                        return
            except Gone:
                if attempt == 3:
                    raise

    def create(self, path: str, body: dict) -> dict:
        """Create an object; one that our own unanswered attempt has made already is returned as it is.

        Raises
        ------
        Conflict
            If an object of that name is there and was not made by this call.
        """
        attempts = 0

        def send() -> dict:
            nonlocal attempts
            attempts += 1
            return self._once("POST", path, {}, body, "application/json")

        try:
            return self._retry(send)
        except Conflict:
            if attempts == 1 or "name" not in body["metadata"]:
                raise
            return self.get(f"{path}/{body['metadata']['name']}")

    def patch(self, path: str, body: dict | list, *, kind: str = "merge") -> dict:
        """Change an object; with ``metadata.resourceVersion`` in a merge patch only if nobody else has.

        Parameters
        ----------
        kind
            ``merge`` (RFC 7396, every resource), ``json`` (RFC 6902) or ``strategic`` (built-in kinds only).
        """
        return self._call("PATCH", path, {}, body, _PATCH_TYPES[kind])

    def replace(self, path: str, body: dict) -> dict:
        """Put an object whole."""
        return self._call("PUT", path, {}, body, "application/json")

    def delete(
        self, path: str, *, grace_s: int | None = None, policy: str = "Background", **query: Any
    ) -> dict | None:
        """Delete an object, or a collection with ``labelSelector``; None if it is not there (any more)."""
        body: dict[str, Any] = {"propagationPolicy": policy}
        if grace_s is not None:
            body["gracePeriodSeconds"] = grace_s
        try:
            return self._call("DELETE", path, query, body, "application/json")
        except NotFound:
            return None

    def allowed(
        self,
        verb: str,
        group: str,
        resource: str,
        *,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> bool:
        """Ask the server whether this user may (a SelfSubjectAccessReview, which everybody may ask)."""
        attributes = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "namespace": namespace,
            "name": name,
            "subresource": subresource,
        }
        answer = self._call(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            {},
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            },
            "application/json",
        )
        return bool(answer["status"].get("allowed"))

    def wait(self, what: str, look: Any, timeout_s: float) -> Any:
        """Call ``look`` until it returns something true, and return that.

        Raises
        ------
        ClusterError
            After ``timeout_s``, with ``what``, and why not, if the last answer was a :class:`NotYet`.
        """
        end = time.monotonic() + timeout_s
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > end:
                why = found.why if isinstance(found, NotYet) else ""
                raise ClusterError(f"{what}: not within {timeout_s:g} s" + (f"; {why}" if why else ""))
            time.sleep(self.look_again_s)

    # ---- the wire -------------------------------------------------------------------------------------

    def _call(self, verb: str, path: str, query: dict, body: Any = None, content_type: str = "") -> dict:
        return self._retry(lambda: self._once(verb, path, query, body, content_type))

    def _retry(self, send: Callable[[], dict]) -> dict:
        """Every call here may be repeated: reads, merge patches and deletes by nature, creates by their names."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda e: isinstance(e, ApiError) and (e.status in RETRIED or e.status == 0)
            ),
            wait=_server_says_or(tenacity.wait_random_exponential(multiplier=0.1, max=5)),
            stop=tenacity.stop_after_delay(self.patience_s),
            reraise=True,
        )
        return retrying(send)

    def _once(self, verb: str, path: str, query: dict, body: Any, content_type: str) -> dict:
        headers = {"Accept": "application/json"}
        if content_type:
            headers["Content-Type"] = content_type
        asked = [(k, v) for k, v in query.items() if v not in ("", None)]
        method, url, sent, payload, _ = self._client.param_serialize(
            verb, path, query_params=asked, header_params=headers, body=body, auth_settings=["BearerToken"]
        )
        try:
            answer = self._client.call_api(method, url, sent, payload, _request_timeout=(CONNECT_S, READ_S))
            data = answer.read()
        except ApiException as error:  # how the client reports a failed TLS handshake
            raise ApiError(0, "", str(error.reason or error), verb, path) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(0, "", _plain(error), verb, path) from None
        if answer.status >= 400:
            raise _error(answer.status, data, verb, path, answer.headers.get("Retry-After"))
        try:
            return json.loads(data)
        except ValueError:
            raise ApiError(0, "", f"the answer is no JSON ({len(data)} B, cut off?)", verb, path) from None


def _plain(error: BaseException) -> str:
    """Say what broke without the HTTP library's object reprs."""
    inner = getattr(error, "reason", None)
    text = str(inner if isinstance(inner, BaseException) else error)
    return re.sub(
        r"^.*(?:Failed to establish a new connection|Connection aborted\.', \w+\()[:(]? ?", "", text
    )


def _error(status: int, data: bytes, verb: str, path: str, retry_after: str | None) -> ApiError:
    try:
        told = json.loads(data)
        reason, message = told.get("reason") or "", told.get("message") or ""
    except (ValueError, AttributeError):
        reason, message = "", data[:200].decode(errors="replace").strip()
    made = _CLASSES.get(status, ApiError)(status, reason, message, verb, path)
    made.retry_after = retry_after
    return made


class _server_says_or(tenacity.wait.wait_base):
    """Wait as long as ``Retry-After`` asks (RFC 9110 section 10.2.3, seconds), at most ten; else as told."""

    def __init__(self, otherwise: Any) -> None:
        self.otherwise = otherwise

    def __call__(self, retry_state: Any) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = getattr(error, "retry_after", None)
        if asked and str(asked).isdigit():
            return min(float(asked), 10.0)
        return self.otherwise(retry_state)
