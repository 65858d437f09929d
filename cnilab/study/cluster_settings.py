"""What a run on a cluster needs to know that a study does not: which image, who may switch, how long pods may live.

A study names modes and tests and is the same everywhere; these differ from cluster to cluster. They come from
the study's ``cluster`` key, then from the environment, then from the command line, the last one winning.
"""

from __future__ import annotations

import os
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from cnilab.errors import StudyError

PREFIX = "CNILAB_KUBE_"
#: Our own image, built by ``Containerfile`` or by ``cnilab cluster up``; a public one is named in the README.
IMAGE = "localhost/cnilab-bench:1"


class ClusterSettings(BaseModel):
    """Settings of a run on a cluster.

    Parameters
    ----------
    kubeconfig, context
        As for kubectl; empty: its own defaults.
    image, pull_policy
        What the pods run; it must hold the tools of the study, ``sh``, ``ip``, ``ping`` and, for packets on the
        wire, ``tcpdump``.
    may_switch
        Whether the cluster's CNI mode may be changed. Off: its one mode is measured against the host network.
    routed_underlay
        The user's word that the routers between the nodes' subnets know the pods' routes.
    host_network
        Whether pods on the host's network may be made, in a privileged namespace of their own: for the ``host``
        baseline and for the proof.
    subnets
        The nodes' networks in CIDR form, where neither Calico nor the nodes tell.
    node_selector
        Only nodes with these labels (``key=value,…``).
    cpu, memory
        Requests of a benchmark pod.
    lifetime_s
        Seconds after which a forgotten pod ends by itself.
    environment
        Whether the environment's ``CNILAB_KUBE_*`` come on top of these; off once that was done.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kubeconfig: str = ""
    context: str = ""
    image: str = IMAGE
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    may_switch: bool = False
    routed_underlay: bool = False
    host_network: bool = True
    subnets: tuple[str, ...] = ()
    node_selector: str = ""
    cpu: str = "250m"
    memory: str = "128Mi"
    lifetime_s: int = Field(default=6 * 3600, ge=60)
    environment: bool = True


def settle(told: ClusterSettings | None = None, **asked: Any) -> ClusterSettings:
    """Put together the study's settings, the environment's (``CNILAB_KUBE_IMAGE=…``) and those asked for now.

    Raises
    ------
    StudyError
        If a value is not allowed, or the environment names a setting there is not.
    """
    values = (told or ClusterSettings()).model_dump()
    for key, value in os.environ.items() if values["environment"] else ():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX).lower()
            if name not in values:
                raise StudyError(f"{key}: no such setting; known: {', '.join(values)}")
            values[name] = value.split(",") if name == "subnets" else value
    values |= {k: v for k, v in asked.items() if v is not None} | {"environment": False}
    try:
        return ClusterSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise StudyError(f"cluster.{first['loc'][0]} = {first['input']!r}: {first['msg']}") from None
