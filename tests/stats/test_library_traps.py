"""Inputs on which statistics libraries were seen to fail silently, fed through cnilab.

Each must raise or come back with a named status. Where the library can be asked here, its own answer is
asserted too, so that the day it is mended the test says so.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as st

from cnilab.errors import DataError
from cnilab.stats import benjamini_hochberg, compare, holm, permutation_f, signed_rank
from cnilab.stats.letters import compact_letters
from cnilab.stats.pairs import Family, Pair, analyse

from .frames import campaign


def test_one_nan_is_not_the_strongest_evidence():
    """scipy's permutation_test returns p = 0.0 if one value is missing."""
    x, y = np.arange(8.0) + 0.5, np.arange(8.0)
    x[3] = np.nan
    theirs = st.permutation_test((x, y), lambda a, b: np.mean(a - b), permutation_type="samples")
    assert theirs.pvalue == 0.0
    with pytest.raises(DataError, match="left out"):
        signed_rank(x - y)
    cells = np.random.default_rng(0).normal(size=(3, 9))
    cells[0, 0] = np.nan
    assert permutation_f(cells).n == 8
    assert permutation_f(cells).p > 0.01


def test_copied_data_are_not_perfectly_equivalent():
    """statsmodels' ttost_paired: p = 0.0 for differences that are all zero."""
    row = compare(campaign({"a": 0, "b": 0}, 10, sd=0), "a").rows[0]
    assert (row["verdict"], row["p_equivalence"], row["p"]) == ("not_comparable", None, 1.0)


def test_quantised_data_are_not_certain():
    """scipy's ttest_1samp: p = 1.7e-80 for six equal differences."""
    assert signed_rank(np.full(6, 0.1)).two_sided[0] == 2 / 2**6
    row = compare(campaign({"a": 0, "b": 0.1}, 6, sd=0), "a").rows[0]
    assert row["p"] == 2 / 2**6
    assert "resolution_limited" in row["flags"]


def test_the_order_of_rows_does_not_matter():
    """scikit-posthocs' posthoc_wilcoxon pairs by row order."""
    frame = campaign({"a": 0, "b": 0.02, "c": 0}, 9)
    rows = compare(frame, "a").rows
    for seed in range(5):
        assert compare(frame.sample(frac=1, random_state=seed), "a").rows == rows


def test_a_tie_elsewhere_changes_nothing_here():
    """scipy's wilcoxon(axis=…) decides about ties for the whole array."""
    rng = np.random.default_rng(1)
    rows = rng.normal(0.5, 1, (2, 20))
    tied = rows.copy()
    tied[1, :2] = 1.0
    assert signed_rank(rows).two_sided[0] == signed_rank(tied).two_sided[0]


def test_ties_do_not_switch_the_method():
    """scipy's wilcoxon falls back to a normal approximation with ties and n > 13."""
    d = np.repeat(np.arange(1.0, 8.0), 2) * np.resize([1, 1, 1, -1], 14)
    exact = st.wilcoxon(d, method=st.PermutationMethod(n_resamples=2**14 + 1)).pvalue
    assert signed_rank(d).two_sided[0] == pytest.approx(exact, abs=1e-12)
    assert st.wilcoxon(d).pvalue != pytest.approx(exact, abs=1e-3)


def test_one_block_is_not_insignificance():
    """scipy's wilcoxon: p = 1.0 at n = 1."""
    row = compare(campaign({"a": 0, "b": 0.5}, 1), "a").rows[0]
    assert row["verdict"] == "insufficient_n"
    assert row["ci_low"] is None


def test_one_block_has_no_omnibus_test():
    """scipy's friedmanchisquare: p = 0.368 at one block, NaN where all is tied."""
    assert permutation_f(np.arange(3.0)[:, None]).status == "insufficient_n"
    assert permutation_f(np.ones((3, 6))).p == 1.0


def test_a_missing_cell_does_not_shrink_n_unseen():
    """pingouin drops the whole block in silence."""
    frame = campaign({"a": 0, "b": 0.1, "c": 0.1}, 9)
    result = compare(frame.drop(index=4), "a")
    assert {(r["mode"], r["n_used"], r["n_blocks"]) for r in result.rows} == {("b", 8, 9), ("c", 9, 9)}
    assert any(w["code"] == "blocks_missing" for w in result.row("b")["warnings"])


def test_two_rows_a_cell_are_not_averaged_in_silence():
    """pingouin's friedman averages them, hiding a file that was loaded twice."""
    frame = campaign({"a": 0, "b": 0.1}, 8)
    with pytest.raises(DataError, match="two values"):
        compare(pd.concat([frame, frame]), "a")


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_a_nan_p_has_no_meaning(adjust):
    """statsmodels counts it in m for Holm, poisons fdr_bh and still rejects; pingouin drops it from m."""
    with pytest.raises(DataError, match="None where"):
        adjust([0.01, np.nan, 0.02])


@pytest.mark.parametrize(
    "matrix",
    [
        np.array([[0.0, np.nan], [np.nan, 0.0]]),
        np.array([[False, True], [False, False]]),
        np.array([[True, False], [False, False]]),
        np.zeros((2, 3), dtype=bool),
    ],
)
def test_letters_take_decisions_and_not_p_values(matrix):
    """scikit-posthocs reads NaN as "different", p == alpha as "same", and never checks symmetry."""
    with pytest.raises(DataError):
        compact_letters(matrix)


def test_p_equal_to_alpha_rejects_everywhere():
    d = np.arange(1.0, 7.0)  # p = 2 / 2**6
    [outcome] = analyse([Pair(d, Family(("x",), 1), 0.5)], alpha=2 / 2**6)
    assert outcome.p == 2 / 2**6
    assert outcome.verdict == "different_material"
    assert outcome.sim_low > 0


def test_zero_variance_has_an_interval_and_a_name():
    """scipy's bootstrap: (NaN, NaN) with BCa, zero width with the percentile method, no word."""
    row = compare(campaign({"a": 0, "b": 0.2}, 8, sd=0), "a").rows[0]
    assert row["ci_low"] == pytest.approx(np.exp(0.2))
    assert "resolution_limited" in row["flags"]


def test_unequal_or_single_values_are_never_significant_by_accident():
    """pyperf's compare_to: an exception in the test is taken for significance."""
    frame = campaign({"a": 0, "b": 0}, 8)
    for gone in (frame.drop(index=3), frame[frame["block"] == 0]):
        assert not compare(gone, "a").rows[0]["verdict"].startswith("different")
