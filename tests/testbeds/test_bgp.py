"""BIRD 2 in the lab and BIRD 1.6 in calico-node print the same columns, with other headings and dates."""

from cnilab.testbeds.bgp import sessions

BIRD2 = """\
BIRD 2.0.12 ready.
Name       Proto      Table      State  Since         Info
device1    Device     ---        up     09:14:02.117
direct1    Direct     ---        up     09:14:02.117
kernel1    Kernel     master4    up     09:14:02.117
n2         BGP        ---        up     09:14:02.941  Established
n3         BGP        ---        start  09:14:02.117  Active        Socket: No route to host
"""
BIRD1 = """\
BIRD v0.3.3+birdv1.6.8 ready.
name     proto    table    state  since       info
static1  Static   master   up     2031-04-09
Mesh_192_0_2_12 BGP      master   up     09:14:05    Established
Node_198_51_100_13 BGP      master   start  09:14:05    Connect
"""


def test_sessions_of_the_lab():
    assert sessions(BIRD2) == [
        {"peer": "n2", "state": "up", "since": "09:14:02.941", "info": "Established"},
        {
            "peer": "n3",
            "state": "start",
            "since": "09:14:02.117",
            "info": "Active        Socket: No route to host",
        },
    ]


def test_sessions_of_calico():
    assert [(s["peer"], s["state"], s["info"]) for s in sessions(BIRD1)] == [
        ("Mesh_192_0_2_12", "up", "Established"),
        ("Node_198_51_100_13", "start", "Connect"),
    ]


def test_other_protocols_are_no_sessions():
    assert sessions("BIRD 2.0.12 ready.\nkernel1    Kernel     master4    up     09:14:02.117\n") == []
