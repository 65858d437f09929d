"""Numbers others have published, K1 to K15. Each names its source; data are typed as published there."""

import numpy as np
import pytest
from scipy import stats as st

from cnilab.stats import benjamini_hochberg, hodges_lehmann, holm, n_min, signed_rank
from cnilab.stats.assumptions import change_point
from cnilab.stats.equivalence import log_margin, tost_p
from cnilab.stats.letters import compact_letters, rank_intervals
from cnilab.stats.omnibus import permutation_f
from cnilab.stats.ratio import median_ranks
from cnilab.stats.variance import best_counts, components


def test_k1_depression_scores():
    """Hollander and Wolfe, table 3.1; the example of R's wilcox.test."""
    x = np.array([1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30])
    y = np.array([0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29])
    test = signed_rank(x - y)
    assert test.w_plus[0] == 40
    assert test.greater[0] == 0.01953125
    interval = hodges_lehmann(y - x)
    assert interval.estimate == pytest.approx(-0.46)
    assert (interval.low, interval.high) == pytest.approx((-0.786, -0.010))
    assert interval.level == pytest.approx(0.9609, abs=5e-5)


def test_k2_sleep():
    """R's ``sleep``: Student's numbers check the data, the signed-rank interval must agree in substance."""
    first = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
    second = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
    t = st.ttest_rel(first, second)
    assert (t.statistic, t.pvalue) == pytest.approx((-4.0621, 0.002833), abs=5e-5)
    low, high = t.confidence_interval()
    assert (low, high) == pytest.approx((-2.4599, -0.7001), abs=5e-5)
    interval = hodges_lehmann(first - second)
    assert interval.low < low < interval.estimate < interval.high < high < 0.0
    # Nine differences of one sign and one zero: 2 / 2**9 under Pratt's ranks.
    assert signed_rank(first - second).two_sided[0] == 2 / 2**9


ROUNDING = np.array([
    5.40, 5.50, 5.55, 5.85, 5.70, 5.75, 5.20, 5.60, 5.50, 5.55, 5.50, 5.40, 5.90, 5.85, 5.70,
    5.45, 5.55, 5.60, 5.40, 5.40, 5.35, 5.45, 5.50, 5.35, 5.25, 5.15, 5.00, 5.85, 5.80, 5.70,
    5.25, 5.20, 5.10, 5.65, 5.55, 5.45, 5.60, 5.35, 5.45, 5.05, 5.00, 4.95, 5.50, 5.50, 5.40,
    5.45, 5.55, 5.50, 5.55, 5.55, 5.35, 5.45, 5.50, 5.55, 5.50, 5.45, 5.25, 5.65, 5.60, 5.40,
    5.70, 5.65, 5.55, 6.30, 6.30, 6.25,
]).reshape(22, 3)  # fmt: skip


def test_k3_rounding_times():
    """Hollander and Wolfe, table 7.1; the example of R's friedman.test."""
    result = permutation_f(ROUNDING.T)
    assert result.friedman_chi2 == pytest.approx(11.1429, abs=5e-5)
    assert result.friedman_p == pytest.approx(0.003805, abs=5e-7)
    assert result.p < 0.02


#: In the row that begins 0.972 the paper prints 0.975 twice and ranks them 2 and 3, so a digit is added here.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def test_k4_demsar():
    """Demšar, JMLR 7 (2006): the paper's χ² ignores ties, ours is corrected for them; both are named here."""
    n, k = DEMSAR.shape
    ranks = st.rankdata(-DEMSAR, axis=1).mean(axis=0)
    assert ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    uncorrected = 12 * n / (k * (k + 1)) * ((ranks**2).sum() - k * (k + 1) ** 2 / 4)
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert (n - 1) * uncorrected / (n * (k - 1) - uncorrected) == pytest.approx(3.69, abs=0.005)
    for alpha, published in ((0.05, 1.25), (0.10, 1.12)):
        q = st.studentized_range.ppf(1 - alpha, k, np.inf) / np.sqrt(2)
        assert q * np.sqrt(k * (k + 1) / (6 * n)) == pytest.approx(published, abs=0.005)
    assert permutation_f(DEMSAR.T).friedman_chi2 == pytest.approx(10.23, abs=0.005)


def test_k5_benjamini_hochberg():
    """Benjamini and Hochberg (1995), section 3.2."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
         0.6528, 0.7590, 1.0]  # fmt: skip
    assert sum(v * len(p) <= 0.05 for v in p) == 3
    assert sum(v <= 0.05 for v in holm(p)) == 3
    assert sum(v <= 0.05 for v in benjamini_hochberg(p)) == 4


def test_k6_bioequivalence():
    """SAS/STAT TTEST, "Equivalence Testing with Lognormal Data"; the rank form must agree in substance."""
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    a = np.array([103.4, 59.92, 68.17, 94.54, 69.48, 72.17, 74.37, 84.44, 96.74, 94.26, 48.52, 95.68])
    b = np.array([90.11, 77.71, 77.71, 97.51, 58.21, 101.3, 79.84, 96.06, 89.30, 97.22, 61.62, 85.80])
    p, first, second = weightstats.ttost_paired(a, b, 0.8, 1.25, transform=np.log)
    assert p == pytest.approx(0.0031, abs=5e-5)
    assert (first[0], second[0]) == pytest.approx((3.38, -5.90), abs=0.005)
    d = np.log(a / b)
    assert np.exp(d.mean()) == pytest.approx(0.9412, abs=5e-5)
    assert float(tost_p(d, log_margin(0.25))[0]) == pytest.approx(p, abs=0.006)
    low = hodges_lehmann(d, 0.10)
    assert (np.exp(low.low), np.exp(low.high)) == pytest.approx((0.8634, 1.0260), abs=0.03)


def test_k7_clinic():
    """R's equivalence::tost, clinic data, as quoted by the tests of statsmodels."""
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    a = np.array([2.84, 2.51, 2.41, 2.95, 3.14, 3.79, 4.14, 3.85, 3.02, 3.45, 5.37, 3.81, 4.19, 3.16, 3.84])
    b = np.array([2.60, 2.82, 2.18, 3.46, 4.01, 3.04, 3.47, 4.06, 2.91, 3.59, 4.51, 3.16, 3.86, 3.31, 3.02])
    p = weightstats.ttost_paired(a, b, 0.8, 1.25, transform=np.log)[0]
    assert p == pytest.approx(CLINIC_P, rel=1e-6)
    assert float(tost_p(np.log(a / b), log_margin(0.25))[0]) == pytest.approx(p, abs=0.002)


CLINIC_P = 0.0001664158


def test_k8_to_k10_variance_components():
    """Kalibera and Jones (2013): the worked example, corrected formula, and two more data sets."""
    flat = np.array([9, 5, 8, 3, 10, 6, 7, 11, 1, 12, 2, 4.0])
    three = components(flat.reshape(3, 2, 2))
    assert np.round(three.s2, 1).tolist() == [16.5, 2.6, 3.6]
    assert np.round(three.t2, 1).tolist() == [16.5, -5.7, 2.3]
    assert three.flags == ("negative_component",)
    two = components(flat.reshape(3, 4))
    assert np.round(two.s2, 1).tolist() == [12.7, 3.6]
    assert np.round(two.t2, 1).tolist() == [12.7, 0.4]
    timed = components(np.array([3, 4, 3, 1.2, 3.1, 3, 0.2, 1, 1.5, 1, 2, 3.0]).reshape(2, 2, 3))
    assert timed.t2 == pytest.approx([0.7266667, 0.262777778, 0.7747], abs=1e-4)
    assert best_counts(timed, (3, 20, 100)) == (5, 2)


def test_k11_finite_intervals_need_blocks():
    """golang.org/x/perf/benchmath: 6 values for a finite 95 % interval of the median, 8 for 99 %."""
    assert median_ranks(5, 0.05) is None
    assert median_ranks(6, 0.05)[:2] == (1, 6)
    assert median_ranks(7, 0.01) is None
    assert median_ranks(8, 0.01)[:2] == (1, 8)
    assert np.isinf(hodges_lehmann(np.arange(5.0)).high)
    assert np.isfinite(hodges_lehmann(np.arange(6.0)).high)


@pytest.mark.parametrize(
    ("n", "low", "high", "level"),
    [(10, 2, 9, 0.979), (15, 4, 12, 0.965), (20, 6, 15, 0.959), (30, 10, 21, 0.957), (8, 1, 8, 0.992)],
)
def test_k12_order_statistics(n, low, high, level):
    """Le Boudec, table A.1; at n = 8 the table's interval is asymmetric, ours is symmetric."""
    found = median_ranks(n)
    assert found[:2] == (low, high)
    assert found[2] == pytest.approx(level, abs=6e-4)


def test_k13_fewest_blocks():
    assert [n_min(m) for m in (1, 3, 6, 10, 15)] == [6, 7, 8, 9, 10]
    assert [n_min(m, sides=1) for m in (1, 3)] == [5, 6]


def test_k14_nile():
    """Cobb (1978): the flow of the Nile fell after 1898."""
    datasets = pytest.importorskip("statsmodels.datasets")
    frame = datasets.nile.load_pandas().data
    found = change_point(frame["volume"].to_numpy())
    assert found.status == "flagged"
    assert frame["year"].to_numpy()[int(found.estimate)] == 1898


def test_k15_letters_and_ranks():
    reject = np.zeros((3, 3), dtype=bool)
    reject[0, 2] = reject[2, 0] = True
    assert compact_letters(reject) == ["a", "ab", "b"]
    better = np.zeros((3, 3), dtype=bool)
    better[0, 2] = True
    assert rank_intervals(better) == [(1, 2), (1, 3), (2, 3)]
