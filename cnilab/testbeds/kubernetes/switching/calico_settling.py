"""Waits until what was changed in Calico's objects has arrived on every node, and a reflector's marks stay away."""

from __future__ import annotations

import time
from collections.abc import Sequence

from cnilab.errors import ClusterError
from cnilab.testbeds.kubernetes.api import Api, NotYet
from cnilab.testbeds.kubernetes.switching import calico_nodes
from cnilab.testbeds.kubernetes.switching.calico_nodes import CLUSTER_ID
from cnilab.testbeds.kubernetes.switching.calico_objects import Objects, find
from cnilab.testbeds.kubernetes.switching.rolling import merge_back, wait_rolled

NODES = "/api/v1/nodes"
REFLECTOR = "cnilab.io/route-reflector"
SETTLED_S = 180.0
#: Looks in a row that have to find nothing lacking: Felix ends between two of its steps.
CALM = 2
#: Seconds that a reflector's marks have to stay as they are, and how often they are put back again.
QUIET_S, TRIED = 5.0, 5


def settle(api: Api, pools: Sequence[dict]) -> None:
    """Wait until every node has what the objects ask for.

    Parameters
    ----------
    pools
        ``spec`` of each enabled IPv4 pool as it is to be, which where an operator writes the pools is not yet so.

    Raises
    ------
    ClusterError
        After ``SETTLED_S``, with what is lacking.
    """
    found = find(api)
    wait_rolled(api, found.daemonset_path)
    wanted = calico_nodes.asked(
        [*pools, *found.others],
        (found.felix or {}).get("spec") or {},
        (found.config or {}).get("data") or {},
        bird=found.bird,
        mesh=((found.bgp or {}).get("spec") or {}).get("nodeToNodeMeshEnabled", True),
    )
    calm = 0

    def look() -> bool | NotYet:
        nonlocal calm
        try:
            lacking = calico_nodes.lacks(calico_nodes.states(api), wanted)
        except ClusterError as error:
            lacking = [str(error)]
        calm = 0 if lacking else calm + 1
        return calm >= CALM or NotYet("; ".join(lacking[:5]))

    api.wait("every node has what Calico's objects ask for", look, SETTLED_S)


def marked(found: Objects) -> str:
    """Name of the node that an earlier switch made a reflector, or nothing."""
    return next((n for n, m in found.metadata.items() if REFLECTOR in (m.get("labels") or {})), "")


def marks(found: Objects, node: str) -> dict:
    """A node's object with a reflector's marks only, as they are now; None for one that is not there."""
    there = found.metadata[node]
    annotation = (there.get("annotations") or {}).get(CLUSTER_ID)
    label = (there.get("labels") or {}).get(REFLECTOR)
    return {"metadata": {"annotations": {CLUSTER_ID: annotation}, "labels": {REFLECTOR: label}}}


#: What :func:`marks` returns for a node that reflects nothing.
NO_MARKS: dict = {"metadata": {"annotations": {CLUSTER_ID: None}, "labels": {REFLECTOR: None}}}


def stay(api: Api, node: str, was: dict, pools: Sequence[dict]) -> None:
    """See that a node's marks stay as they were put back.

    calico-node writes a node's tunnel address together with every annotation that it has read before, and so may bring
    back one that was removed in between. A node with the mark has no part in the mesh.

    Parameters
    ----------
    node
        Its name.
    was
        As :func:`marks` returned it.
    pools
        As in :func:`settle`.

    Raises
    ------
    ClusterError
        If they change again and again.
    """
    for _ in range(TRIED):
        end = time.monotonic() + QUIET_S
        while not (back := merge_back(api, f"{NODES}/{node}", was)) and time.monotonic() < end:
            time.sleep(api.look_again_s)
        if not back:
            return
        settle(api, pools)
    raise ClusterError(f"the annotation {CLUSTER_ID} comes back on {node} however often it is put back")
