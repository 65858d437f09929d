"""One packet followed through the lab: every device in order, and how long the packet is on each."""

import pytest

from cnilab.errors import LabError
from cnilab.testbeds.lab.trace import trace

pytestmark = pytest.mark.lab


def told(trail):
    return [(h.namespace, h.device, h.direction, h.length, h.carrier) for h in trail.hops]


def test_vxlan_wraps_on_the_node_and_unwraps_on_the_other(lab_of):
    lab = lab_of("flannel-vxlan")
    trail = trace(lab, "p1", "p2", 1000)
    assert trail.result == "arrived"
    n1, n2 = (lab.topology.node(n).pods[0].veth for n in ("n1", "n2"))
    hops = told(trail)
    assert hops[:4] == [
        ("p1", "eth0", "out", 1000, "none"),
        ("n1", n1, "in", 1000, "none"),
        ("n1", "cni0", "in", 1000, "none"),
        ("n1", "flannel.1", "out", 1000, "none"),
    ]
    assert ("n1", "eth0", "out", 1050, "vxlan") in hops
    assert ("n2", "eth0", "in", 1050, "vxlan") in hops
    assert hops.index(("n1", "eth0", "out", 1050, "vxlan")) < hops.index(("n2", "eth0", "in", 1050, "vxlan"))
    assert ("n2", "flannel.1", "in", 1000, "none") in hops
    assert ("n2", n2, "out", 1000, "none") in hops
    assert hops[-1] == ("p2", "eth0", "in", 1000, "none")
    assert {h.length for h in trail.hops if h.carrier == "vxlan"} == {1050}


def test_the_same_node_never_leaves_it(lab_of):
    trail = trace(lab_of("calico-bgp-mesh"), "p1", "p1b", 500)
    assert {h.namespace for h in trail.hops} == {"p1", "n1", "p1b"}
    assert [h.ttl for h in trail.hops if h.namespace == "p1b"] == [63]


def test_across_subnets_the_router_sees_only_the_outer_packet(lab_of):
    trail = trace(lab_of("calico-ipip"), "p1", "p3", 800)
    router = [h for h in trail.hops if h.namespace == "router"]
    assert [(h.device, h.direction, h.length, h.carrier) for h in router] == [
        ("eth0", "in", 820, "ipip"),
        ("eth1", "out", 820, "ipip"),
    ]
    assert (router[0].source, router[0].destination) == ("192.0.2.11", "198.51.100.13")


def test_what_does_not_arrive_is_seen_where_it_ends(lab_of):
    trail = trace(lab_of("flannel-host-gw"), "p1", "p3", 300)
    assert trail.result.startswith("lost")
    assert trail.hops[-1].namespace == "router"


def test_a_packet_too_long_is_told(lab_of):
    assert trace(lab_of("flannel-vxlan"), "p1", "p2", 1451).result == "too long (mtu 1450)"


def test_an_end_that_is_not_there_names_those_that_are(lab_of):
    lab = lab_of("flannel-host-gw")
    with pytest.raises(LabError, match="no pod 'p7'; there are p1, p1b, p2, p3"):
        trace(lab, "p1", "p7")
    with pytest.raises(LabError, match="name two different ends"):
        trace(lab, "p1", "p1")
