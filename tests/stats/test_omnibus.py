"""The permutation F: exact where it can be enumerated, honest where there is nothing to test."""

import itertools

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from cnilab.errors import DataError
from cnilab.stats.omnibus import permutation_f


def test_close_to_full_enumeration():
    cells = np.random.default_rng(1).normal(0, 1, (3, 5)) + np.array([[0], [0.5], [1.2]])
    z = (cells - cells.mean(axis=0)).T
    orders = list(itertools.permutations(range(3)))
    seen = (z.mean(axis=0) ** 2).sum()
    every = [
        (np.array([row[list(o)] for row, o in zip(z, pick)]).mean(axis=0) ** 2).sum() >= seen - 1e-12
        for pick in itertools.product(orders, repeat=5)
    ]
    assert permutation_f(cells, permutations=19999).p == pytest.approx(np.mean(every), abs=0.012)


def test_friedman_beside_it_is_scipys():
    cells = np.random.default_rng(2).normal(0, 1, (4, 9))
    result = permutation_f(cells)
    chi2, p = friedmanchisquare(*cells)
    assert (result.friedman_chi2, result.friedman_p) == pytest.approx((chi2, p))
    assert result.kendall_w == pytest.approx(chi2 / (9 * 3))


def test_incomplete_blocks_are_left_out_and_counted():
    cells = np.random.default_rng(3).normal(0, 1, (3, 8))
    cells[1, 2] = np.nan
    result = permutation_f(cells)
    assert (result.n, result.n_blocks) == (7, 8)
    assert result.p == permutation_f(np.delete(cells, 2, axis=1)).p


@pytest.mark.parametrize(
    ("cells", "status"),
    [
        (np.random.default_rng(0).normal(size=(2, 9)), "skipped"),
        (np.random.default_rng(0).normal(size=(4, 2)), "insufficient_n"),
        (np.full((4, 1), np.nan), "insufficient_n"),
        (np.ones((4, 9)), "identical_values"),
        (np.tile(np.arange(9.0), (4, 1)), "identical_values"),
    ],
)
def test_says_what_it_cannot_test(cells, status):
    result = permutation_f(cells)
    assert result.status == status
    assert result.p in (None, 1.0)


def test_seed_is_the_only_chance():
    cells = np.random.default_rng(4).normal(0, 1, (3, 8))
    assert permutation_f(cells, seed=1) == permutation_f(cells, seed=1)
    assert permutation_f(cells, seed=1).seed == 1


def test_refuses_infinite_cells():
    with pytest.raises(DataError, match="infinite"):
        permutation_f(np.full((3, 5), np.inf))
