"""Build modes one after the other and prove each in every placement: what `cnilab lab verify` shows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace

from tqdm import tqdm

from cnilab import modes
from cnilab.errors import LabError, Unavailable
from cnilab.testbeds.lab.lab import Lab
from cnilab.testbeds.lab.topology import CLUSTER_IPS
from cnilab.testbeds.proof.base import Row, absent
from cnilab.testbeds.verified import Verification


def verify_modes(
    wanted: Iterable[str] | None = None,
    *,
    underlay: str = "plain",
    path: str = "pod_to_pod",
    progress: bool = True,
) -> Verification:
    """Build each mode afresh and judge every placement.

    Raises
    ------
    UnknownKey
        If one of ``wanted`` is no mode.
    """
    names = [modes.get(m).id for m in wanted] if wanted else list(modes.MODES)
    rows: list[Row] = []
    for name in tqdm(names, disable=not progress, file=sys.stderr, unit="mode", leave=False):
        try:
            with Lab(name, underlay=underlay, services=path == "pod_to_service") as lab:
                rows += lab.prove(list(CLUSTER_IPS), path)
        except Unavailable as error:
            rows += [absent(name, p, None, error.fact) for p in CLUSTER_IPS]
        except LabError as error:
            rows += [replace(absent(name, p, None, error.fact), status="failed") for p in CLUSTER_IPS]
    return Verification(tuple(rows))
