"""What every test shares. Lab tests are kept on one worker: two labs at once would measure each other."""

import os

import hypothesis
import pytest

# These machines are shared: how long an example takes says nothing about the code.
hypothesis.settings.register_profile("shared", deadline=None)
hypothesis.settings.load_profile("shared")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("lab"):
            item.add_marker(pytest.mark.xdist_group("lab"))
        # A session's fixture is a worker's, and there is one cluster a plugin.
        if {"cluster", "calico_cluster"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture
def lab_of():
    """Build labs by mode name; a mode this machine cannot run skips the test with the reason."""
    from cnilab.errors import Unavailable
    from cnilab.testbeds.lab import Lab

    built = []

    def make(mode, **options):
        try:
            lab = Lab(mode, **options)
        except Unavailable as error:
            pytest.skip(str(error))
        built.append(lab)
        return lab.start().wait()

    yield make
    for lab in built:
        lab.close()


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory):
    """A real API server without nodes, for the module's tests; skipped, with the command, where it is not built."""
    from cnilab.errors import Unavailable
    from cnilab.localcluster.apiserver import ControlPlane

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
    yield from _raised("test", "flannel")


@pytest.fixture(scope="module")
def calico_cluster():
    """The same with Calico, for a module's tests."""
    yield from _raised("calico", "calico")


def _raised(name, cni):
    if os.environ.get("CNILAB_CLUSTER_TEST") != "1":
        pytest.skip("raises a cluster as root: set CNILAB_CLUSTER_TEST=1, or type: make cluster-test")
    from cnilab.errors import Unavailable
    from cnilab.localcluster.lifecycle import Cluster
    from cnilab.localcluster.shape import Settings

    made = Cluster(Settings(name=name, cni=cni, lifetime_s=7200))
    try:
        made.up()
    except Unavailable as error:
        pytest.skip(f"no cluster with {cni} can be raised here: {error}")
    try:
        yield made
    finally:
        made.down()
