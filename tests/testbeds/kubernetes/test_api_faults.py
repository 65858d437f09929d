"""Every call against a real API server through a proxy that delays, cuts, and answers 409, 410, 429 and 500."""

import threading
import time

import pytest
from kubernetes import client

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes import api as module
from cnilab.testbeds.kubernetes.api import Api, ApiError, Conflict, Gone
from cnilab.testbeds.kubernetes.cleanup import clean_up
from cnilab.testbeds.kubernetes.pods import RUN, remove_namespaces
from cnilab.testbeds.kubernetes.switching.rolling import patch_locked
from tests.testbeds.kubernetes.proxy import Fault, Proxy

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def proxy(control_plane):
    made = Proxy(control_plane.url, control_plane.folder / "pki")
    yield made
    made.close()


@pytest.fixture
def api(proxy):
    proxy.faults.clear()
    proxy.seen.clear()
    configuration = client.Configuration()
    configuration.host = proxy.url
    made = Api(configuration, "proxy", patience_s=6)
    yield made
    proxy.faults.clear()
    for item in list(made.items(CONFIGMAPS, labels="test=faults")):
        made.delete(f"{CONFIGMAPS}/{item['metadata']['name']}")


def config_map(name, **data):
    return {"kind": "ConfigMap", "metadata": {"name": name, "labels": {"test": "faults"}}, "data": data}


def is_get(method, path):
    return method == "GET"


def is_post(method, path):
    return method == "POST"


@pytest.mark.parametrize("status", sorted(module.RETRIED))
def test_what_may_pass_is_asked_again(api, proxy, status):
    proxy.faults.append(Fault(is_get, times=2, status=status, body=b'{"message": "later"}'))
    assert api.get("/version")["gitVersion"].startswith("v1.")
    assert len(proxy.seen) == 3


def test_it_waits_as_long_as_the_server_asks(api, proxy):
    proxy.faults.append(Fault(is_get, status=429, headers=(("Retry-After", "2"),)))
    began = time.monotonic()
    api.get("/version")
    assert time.monotonic() - began >= 2


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_what_will_not_pass_is_not_asked_again(api, proxy, status):
    proxy.faults.append(Fault(is_get, times=9, status=status, body=b'{"reason": "No", "message": "never"}'))
    with pytest.raises(ApiError, match=f"GET /version: {status} No: never"):
        api.get("/version")
    assert len(proxy.seen) == 1


def test_a_server_that_stays_broken_is_given_up_in_bounded_time(api, proxy):
    proxy.faults.append(Fault(is_get, times=1000, status=503, body=b"no endpoints"))
    with pytest.raises(ApiError, match=r"503.*no endpoints"):
        api.get("/version")
    assert 2 <= len(proxy.seen) <= 60


def test_no_server_at_all_is_one_sentence():
    configuration = client.Configuration()
    configuration.host = "http://127.0.0.1:9"
    with pytest.raises(ApiError, match=r"^GET /version: no answer: .*refused$"):
        Api(configuration, patience_s=1).get("/version")


@pytest.mark.parametrize("keep", [0, 1, 40])
def test_an_answer_cut_off_is_asked_for_again_and_never_read_short(api, proxy, keep):
    proxy.faults.append(Fault(is_get, times=2, forward=True, keep=keep))
    assert api.get("/version")["major"] == "1"
    assert len(proxy.seen) == 3


def test_a_slow_answer_is_not_waited_for_for_ever(api, proxy, monkeypatch):
    monkeypatch.setattr(module, "READ_S", 0.5)
    proxy.faults.append(Fault(is_get, times=1, delay_s=2, forward=True))
    assert api.get("/version")["major"] == "1"
    assert len(proxy.seen) == 2


def test_a_create_whose_answer_was_lost_makes_one_object(api, proxy):
    proxy.faults.append(Fault(is_post, forward=True, keep=5))
    made = api.create(CONFIGMAPS, config_map("lost", a="1"))
    assert made["data"] == {"a": "1"}
    assert [m for m, *_ in proxy.seen].count("POST") == 2
    assert len(list(api.items(CONFIGMAPS, labels="test=faults"))) == 1


def test_a_create_of_what_somebody_else_has_made_is_a_conflict(api):
    api.create(CONFIGMAPS, config_map("taken", a="1"))
    with pytest.raises(Conflict):
        api.create(CONFIGMAPS, config_map("taken", a="2"))
    assert api.get(f"{CONFIGMAPS}/taken")["data"] == {"a": "1"}


def test_a_delete_whose_answer_was_lost_is_done(api, proxy):
    api.create(CONFIGMAPS, config_map("gone"))
    proxy.faults.append(Fault(lambda m, p: m == "DELETE", forward=True, keep=0))
    assert api.delete(f"{CONFIGMAPS}/gone") is None
    assert not list(api.items(CONFIGMAPS, labels="test=faults"))


def test_pages_that_expire_are_read_again_without_twins(api, proxy):
    names = {f"page-{i}" for i in range(7)}
    for name in names:
        api.create(CONFIGMAPS, config_map(name))
    expired = b'{"reason": "Expired", "message": "The provided continue parameter is too old", "code": 410}'
    proxy.faults.append(Fault(lambda m, p: "continue=" in p, status=410, body=expired))
    found = [i["metadata"]["name"] for i in api.items(CONFIGMAPS, labels="test=faults", page=2)]
    assert len(found) == 7
    assert set(found) == names
    assert max(p.count("limit=2") for _, p, _ in proxy.seen if "configmaps" in p) == 1


def test_pages_that_always_expire_are_an_error(api, proxy):
    for i in range(3):
        api.create(CONFIGMAPS, config_map(f"page-{i}"))
    proxy.faults.append(
        Fault(lambda m, p: "continue=" in p, times=99, status=410, body=b'{"message": "too old"}')
    )
    with pytest.raises(Gone):
        list(api.items(CONFIGMAPS, labels="test=faults", page=2))


def test_somebody_elses_harmless_change_is_kept(api):
    seen = api.create(CONFIGMAPS, config_map("both", ours="1", theirs="1"))
    api.patch(f"{CONFIGMAPS}/both", {"data": {"theirs": "2"}})
    patch_locked(
        api, f"{CONFIGMAPS}/both", seen, {"data": {"ours": "2"}}, lambda now: now["data"]["ours"] == "1"
    )
    assert api.get(f"{CONFIGMAPS}/both")["data"] == {"ours": "2", "theirs": "2"}


def test_somebody_elses_change_of_the_same_thing_is_not_overwritten(api):
    seen = api.create(CONFIGMAPS, config_map("ours", ours="1"))
    api.patch(f"{CONFIGMAPS}/ours", {"data": {"ours": "theirs"}})
    with pytest.raises(ClusterError, match="changed by somebody else"):
        patch_locked(
            api, f"{CONFIGMAPS}/ours", seen, {"data": {"ours": "2"}}, lambda now: now["data"]["ours"] == "1"
        )
    assert api.get(f"{CONFIGMAPS}/ours")["data"] == {"ours": "theirs"}


def test_a_patch_whose_answer_was_lost_is_not_taken_for_somebody_elses(api, proxy):
    seen = api.create(CONFIGMAPS, config_map("mine", ours="1"))
    proxy.faults.append(Fault(lambda m, p: m == "PATCH", forward=True, keep=0))
    patch_locked(
        api, f"{CONFIGMAPS}/mine", seen, {"data": {"ours": "2"}}, lambda now: now["data"]["ours"] == "1"
    )
    assert api.get(f"{CONFIGMAPS}/mine")["data"] == {"ours": "2"}


def test_storms_of_conflicts_end(api, proxy):
    seen = api.create(CONFIGMAPS, config_map("storm", ours="1"))
    proxy.faults.append(
        Fault(lambda m, p: m == "PATCH", times=99, status=409, body=b'{"reason": "Conflict"}')
    )
    with pytest.raises(ClusterError, match="all the time"):
        patch_locked(api, f"{CONFIGMAPS}/storm", seen, {"data": {"ours": "2"}}, lambda _: True)
    assert [m for m, *_ in proxy.seen].count("PATCH") == 5


def test_a_namespace_stuck_in_terminating_is_told_with_the_reason(api):
    name = "cnilab-stuck"
    body = {"kind": "Namespace", "metadata": {"name": name, "labels": {RUN: "stuck"}}}
    api.create("/api/v1/namespaces", body)
    # No controllers run beside this API server, so nothing takes the finalizer off.
    left = remove_namespaces(api, [name], timeout_s=1)
    assert left == "namespace cnilab-stuck is still Terminating after 1 s"
    cleaned = clean_up(api, "stuck", timeout_s=0.5)
    assert (cleaned.ok, cleaned.removed) == (False, ())
    assert "still Terminating" in repr(cleaned)


def test_many_callers_at_once_get_their_own_answers(api, proxy):
    for i in range(20):
        api.create(CONFIGMAPS, config_map(f"many-{i}", i=str(i)))
    proxy.faults.append(Fault(is_get, times=15, status=429))
    found = {}

    def read(i):
        found[i] = api.get(f"{CONFIGMAPS}/many-{i}")["data"]["i"]

    threads = [threading.Thread(target=read, args=(i,)) for i in range(20)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(30)
    assert found == {i: str(i) for i in range(20)}
