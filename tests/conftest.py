"""What every test shares. Lab tests are kept on one worker: two labs at once would measure each other."""

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
