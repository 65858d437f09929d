"""Exact signed ranks against scipy, pingouin and scikit-posthocs, ties included."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats as st

from cnilab.errors import DataError
from cnilab.stats.signed_rank import null_cdf, signed_rank


@pytest.mark.parametrize("n", range(1, 51))
def test_equals_scipy_without_ties(n):
    rng = np.random.default_rng(n)
    rows = rng.normal(0.3, 1, (8, n))
    own = signed_rank(rows)
    for r, d in enumerate(rows):
        for side, got in (("two-sided", own.two_sided), ("greater", own.greater), ("less", own.less)):
            assert got[r] == pytest.approx(st.wilcoxon(d, method="exact", alternative=side).pvalue, abs=1e-12)


def brute(d, side):
    """Every sign pattern of the nonzero differences, zeros ranked and then dropped."""
    ranks = st.rankdata(np.abs(d))
    live = d != 0
    ranks = ranks[live]
    seen = ranks[d[live] > 0].sum()
    sums = np.array([ranks[list(signs)].sum() if any(signs) else 0 for signs in _patterns(len(ranks))])
    greater, less = (sums >= seen - 1e-9).mean(), (sums <= seen + 1e-9).mean()
    return {"greater": greater, "less": less, "two": min(1.0, 2 * min(greater, less))}[side]


def _patterns(n):
    return (np.array(p, dtype=bool) for p in itertools.product((False, True), repeat=n))


@pytest.mark.parametrize("n", [2, 3, 5, 8, 10])
@pytest.mark.parametrize("seed", range(4))
def test_ties_and_zeros_equal_full_enumeration(n, seed):
    d = np.random.default_rng(seed).integers(-3, 4, n).astype(float)
    own = signed_rank(d)
    assert own.two_sided[0] == pytest.approx(brute(d, "two"), abs=1e-12)
    assert own.greater[0] == pytest.approx(brute(d, "greater"), abs=1e-12)
    assert own.less[0] == pytest.approx(brute(d, "less"), abs=1e-12)


@pytest.mark.parametrize("n", [6, 9, 12])
def test_ties_equal_scipy_permutation_with_pratt(n):
    d = np.random.default_rng(n).integers(1, 4, n) * np.random.default_rng(n + 1).choice([-1.0, 1.0], n)
    d[0] = 0.0
    method = st.PermutationMethod(n_resamples=2**n + 1)
    for side, field in (("two-sided", "two_sided"), ("greater", "greater")):
        expected = st.wilcoxon(d, zero_method="pratt", method=method, alternative=side).pvalue
        assert getattr(signed_rank(d), field)[0] == pytest.approx(expected, abs=1e-12)


def test_equals_pingouin_and_scikit_posthocs_on_sorted_data():
    pingouin = pytest.importorskip("pingouin")
    posthocs = pytest.importorskip("scikit_posthocs")
    rng = np.random.default_rng(5)
    n, modes = 12, ["a", "b", "c"]
    frame = pd.DataFrame(
        [{"block": b, "mode": m, "y": rng.normal(i * 0.3)} for i, m in enumerate(modes) for b in range(n)]
    )
    wide = frame.pivot(index="block", columns="mode", values="y")
    pairs = pingouin.pairwise_tests(data=frame, dv="y", within="mode", subject="block", parametric=False)
    column = "p_unc" if "p_unc" in pairs else "p-unc"
    matrix = posthocs.posthoc_wilcoxon(frame, val_col="y", group_col="mode", method="exact")
    for _, row in pairs.iterrows():
        own = signed_rank((wide[row["A"]] - wide[row["B"]]).to_numpy()).two_sided[0]
        assert own == pytest.approx(row[column], abs=1e-12)
        assert own == pytest.approx(matrix.loc[row["A"], row["B"]], abs=1e-12)


def test_a_row_does_not_feel_the_others():
    """scipy decides for a whole array whether there are ties; here a row's p is its own."""
    rng = np.random.default_rng(0)
    clean, tied = rng.normal(0.4, 1, 20), np.round(rng.normal(0, 1, 20))
    alone = signed_rank(clean).two_sided[0]
    assert signed_rank(np.vstack([clean, tied])).two_sided[0] == alone
    assert signed_rank(np.vstack([tied, clean])).two_sided[1] == alone


def test_last_bits_do_not_break_ties():
    base = np.array([1.1e9, 2.3e9, 3.7e9, 4.9e9, 7.3e9, 9.7e9])
    d = np.log(1.1 * base) - np.log(base)
    assert len(np.unique(np.abs(d))) > 1
    assert signed_rank(d).tied[0]


def test_all_zero_is_one_and_extremes_are_never_zero():
    assert signed_rank(np.zeros(10)).two_sided[0] == 1.0
    far = signed_rank(np.arange(1.0, 1001.0))
    assert 0 < far.two_sided[0] < 1e-290
    assert signed_rank([0.3]).two_sided[0] == 1.0


def test_infinite_differences_are_the_largest_ranks():
    d = np.array([-np.inf, 0.1, 0.2, 0.3, -0.4, 0.5])
    assert (
        signed_rank(d, infinite=True).two_sided[0] == signed_rank(np.where(np.isinf(d), -9.0, d)).two_sided[0]
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_refuses_what_is_not_a_number(bad):
    with pytest.raises(DataError, match="block 1"):
        signed_rank([0.1, bad, 0.2])


def test_refuses_nothing_and_too_much():
    with pytest.raises(DataError, match="at least 1"):
        signed_rank([])
    with pytest.raises(DataError, match="1 to 1000"):
        signed_rank(np.ones(1001))


def test_null_distribution_is_a_distribution():
    for n in (1, 6, 30, 200):
        cdf = null_cdf(n)
        assert len(cdf) == n * (n + 1) // 2 + 1
        assert cdf[0] == 2.0**-n
        assert cdf[-1] == 1.0
        assert (np.diff(cdf) >= 0).all()
