"""What the cluster's tests share: a real control plane, and, when asked for, a real cluster."""

import os

import pytest

from cnilab.errors import Unavailable
from cnilab.testbeds.kubernetes.local.apiserver import ControlPlane


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Keep all that use the cluster on one worker: a session's fixture is a worker's, and there is one cluster."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory):
    """A real API server without nodes, for the module's tests; skipped, with the command, where it is not built."""
    plane = ControlPlane(tmp_path_factory.mktemp("control-plane"))
    try:
        plane.start()
    except Unavailable as error:
        pytest.skip(str(error))
    yield plane
    plane.close()


@pytest.fixture(scope="session")
def cluster():
    """A cluster of three nodes, raised once for the session; only where the tests were asked to (root, minutes)."""
    if os.environ.get("CNILAB_CLUSTER_TEST") != "1":
        pytest.skip("raises a cluster as root: set CNILAB_CLUSTER_TEST=1, or type: make cluster-test")
    from cnilab.testbeds.kubernetes.local.cluster import Cluster
    from cnilab.testbeds.kubernetes.local.settings import Settings

    made = Cluster(Settings(name="test", lifetime_s=7200))
    try:
        made.up()
    except Unavailable as error:
        pytest.skip(f"no cluster can be raised here: {error}")
    try:
        yield made
    finally:
        made.down()
