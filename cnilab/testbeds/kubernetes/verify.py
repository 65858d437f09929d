"""The proof on a live cluster: is the mode that is detected the mode that carries the packets?

Makes the run's own pods, looks, and removes them; changes nothing of the cluster's.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnilab.errors import ClusterError, TestbedError, Unavailable
from cnilab.runs.samples import PLACEMENTS
from cnilab.study.cluster_settings import ClusterSettings
from cnilab.study.factors import Treatment
from cnilab.testbeds.base import Spec
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.testbed import KubernetesTestbed
from cnilab.testbeds.verified import Verification


def verify(
    api: Api,
    settings: ClusterSettings,
    *,
    path: str = "pod_to_pod",
    placements: Sequence[str] = PLACEMENTS,
    expected: str | None = None,
) -> Verification:
    """Prove the mode that is on, in every placement the cluster has.

    Parameters
    ----------
    expected
        The mode that should be on; None takes the detected one.

    Raises
    ------
    Unavailable
        If no mode of the catalogue is detected.
    ClusterError
        If the pods do not come to run.
    """
    bed = KubernetesTestbed(Spec(placements, path), api, settings)
    try:
        mode = expected or bed.current
        if mode is None or mode == "mixed":
            raise Unavailable(
                f"no one mode to verify: detected {bed.found.plugin or 'no known CNI'}, mode {mode or 'unknown'}; "
                "see: cnilab cluster detect"
            )
        bed.current = mode  # look for it; do not switch to it
        deployment = bed.deploy(Treatment({"mode": mode}))
        deployment.wait()
        rows, _ = deployment.prove(list(placements), path)
    finally:
        try:
            left = bed.close()
        except TestbedError as error:
            left = str(error)
    if left:
        raise ClusterError(left)
    return Verification(tuple(rows))
