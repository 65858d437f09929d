"""The fast set of simulations; ``python -m tests.stats.validate`` runs the full one."""

import pytest

from .simulations import FAST, SIMULATIONS, run


@pytest.mark.parametrize("name", SIMULATIONS)
def test_promises_hold(name):
    broken = [r for r in run(name, FAST[name]) if not r.held]
    assert not broken, "\n".join(map(str, broken))


def test_every_simulation_is_there():
    numbers = {n for name in SIMULATIONS for n in name.split()}
    assert numbers == {f"S{i}" for i in range(1, 19)}
