"""Which nodes make same node, same subnet and cross subnet, and why a placement is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnilab.errors import ClusterError
from cnilab.report.language import tell
from cnilab.testbeds.kubernetes.placing import place, read

ALL = ("same_node", "same_subnet", "cross_subnet")


def node(name, ip, *, ready="True", spec=None, annotations=None, os="linux"):
    return {
        "metadata": {"name": name, "annotations": annotations or {}},
        "spec": spec or {},
        "status": {
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip}],
            "conditions": [{"type": "Ready", "status": ready}],
            "nodeInfo": {"operatingSystem": os},
        },
    }


def test_three_nodes_in_two_subnets_serve_every_placement():
    nodes = read([node("n3", "198.51.100.13"), node("n1", "192.0.2.11"), node("n2", "192.0.2.12")])
    found = place(nodes, ALL)
    assert found.client.name == "n1"
    assert {p: n.name for p, n in found.servers.items()} == {
        "same_node": "n1", "same_subnet": "n2", "cross_subnet": "n3"
    }  # fmt: skip
    assert [n.name for n in found.nodes] == ["n1", "n2", "n3"]
    assert not found.missing


def test_one_node_serves_one_placement_and_says_why_not_the_others():
    found = place(read([node("n1", "192.0.2.11")]), ALL)
    assert list(found.servers) == ["same_node"]
    assert "no two usable nodes share a subnet (n1 192.0.2.11)" in tell(found.missing["same_subnet"])
    assert "all usable nodes are in 192.0.2.0/24" in tell(found.missing["cross_subnet"])


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (node("b", "192.0.2.12", ready="Unknown"), "b is not Ready"),
        (node("b", "192.0.2.12", spec={"unschedulable": True}), "b is cordoned"),
        (
            node("b", "192.0.2.12", spec={"taints": [{"key": "gpu", "effect": "NoSchedule"}]}),
            "b is tainted gpu",
        ),
        (node("b", "192.0.2.12", os="windows"), "b does not run Linux"),
        (node("b", "2001:db8::1"), "b has no IPv4 InternalIP"),
    ],
)
def test_a_node_that_takes_no_pod_is_left_out_and_named(made, why):
    found = place(read([node("a", "192.0.2.11"), made]), ALL)
    assert list(found.servers) == ["same_node"]
    assert why in tell(found.missing["same_subnet"])
    with pytest.raises(ClusterError, match=f"no node can take a pod: {why}"):
        place(read([made]), ALL)


def test_a_preferred_taint_keeps_nobody_away():
    made = node("b", "192.0.2.12", spec={"taints": [{"key": "x", "effect": "PreferNoSchedule"}]})
    assert "same_subnet" in place(read([node("a", "192.0.2.11"), made]), ALL).servers


def test_who_says_how_long_the_prefix_is():
    calico = node("a", "10.0.1.5", annotations={"projectcalico.org/IPv4Address": "10.0.1.5/20"})
    assert [(n.subnet, n.told) for n in read([calico])] == [("10.0.0.0/20", "calico")]
    assert [(n.subnet, n.told) for n in read([calico], ["10.0.0.0/16"])] == [("10.0.0.0/16", "study")]
    assert [(n.subnet, n.told) for n in read([node("a", "10.0.1.5")])] == [("10.0.1.0/24", "assumed")]
    stale = node("a", "10.0.1.5", annotations={"projectcalico.org/IPv4Address": "10.9.9.9/20"})
    assert read([stale])[0].told == "assumed"


def test_names_are_ordered_as_people_count():
    nodes = read([node(f"n{i}", f"192.0.2.{i}") for i in (10, 9, 1)])
    assert [n.name for n in nodes] == ["n1", "n9", "n10"]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(1, 250), st.booleans()),
        min_size=1,
        max_size=30,
        unique_by=lambda t: t[:2],
    )
)
def test_a_placement_is_what_its_name_says_or_has_a_reason(drawn):
    nodes = read([node(f"n{i}", f"192.0.{s}.{h}", ready=str(r)) for i, (s, h, r) in enumerate(drawn)])
    if not any(r for *_, r in drawn):
        with pytest.raises(ClusterError):
            place(nodes, ALL)
        return
    found = place(nodes, ALL)
    assert set(found.servers) | set(found.missing) == set(ALL)
    assert not set(found.servers) & set(found.missing)
    assert not any(n.unusable for n in found.nodes)
    assert found.servers["same_node"] == found.client
    if other := found.servers.get("same_subnet"):
        assert other.name != found.client.name
        assert other.subnet == found.client.subnet
    else:
        usable = [s for s, _, r in drawn if r]
        assert len(set(usable)) == len(usable)
    if other := found.servers.get("cross_subnet"):
        assert other.subnet != found.client.subnet
    else:
        assert len({s for s, _, r in drawn if r}) == 1
