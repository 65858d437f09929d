"""The seven verdicts and their order."""

import itertools

import pytest

from cnilab.stats.verdict import decide, is_difference
from cnilab.verdicts import FLAGS, VERDICTS

LAM = 0.05
BASE = {
    "n": 10,
    "n_min": 8,
    "p": 0.01,
    "p_equivalence": 0.5,
    "low": 0.06,
    "high": 0.1,
    "lam": LAM,
    "alpha": 0.05,
}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "different_material"),
        ({"low": -0.1, "high": -0.06}, "different_material"),
        ({"low": 0.04}, "different_size_unclear"),
        ({"low": 0.05}, "different_size_unclear"),
        ({"low": 0.01, "high": 0.03, "p_equivalence": 0.01}, "different_negligible"),
        ({"p": 0.06, "p_equivalence": 0.01, "low": -0.01}, "equivalent"),
        ({"p": 0.06, "low": -0.01}, "inconclusive"),
        ({"n": 7}, "insufficient_n"),
        ({"p": None}, "insufficient_n"),
        ({"barred": True}, "not_comparable"),
        ({"barred": True, "n": 3}, "insufficient_n"),
        ({"lam": None, "p_equivalence": None}, "different_size_unclear"),
        ({"p": 0.05, "p_equivalence": 0.05, "low": 0.0}, "different_negligible"),
    ],
)
def test_first_match(change, verdict):
    assert decide(**(BASE | change)) == verdict


def test_every_input_has_one_of_seven():
    for n, p, eq, low, high, lam, barred in itertools.product(
        (0, 9),
        (None, 0.0, 1.0),
        (None, 0.0, 1.0),
        (-1e9, 0.1),
        (0.2, float("inf")),
        (None, LAM),
        (False, True),
    ):
        found = decide(
            n=n, n_min=8, p=p, p_equivalence=eq, low=low, high=high, lam=lam, alpha=0.05, barred=barred
        )
        assert found in VERDICTS


def test_words():
    assert len(VERDICTS) == 7
    assert {v for v in VERDICTS if is_difference(v)} == {v for v in VERDICTS if v.startswith("different")}
    assert {f.code for f in FLAGS.values() if f.bars} == {
        "identical_values",
        "unsteady",
        "nonpositive_value",
        "not_interleaved",
        "depends_on_failures",
    }
    assert {f.code for f in FLAGS.values() if f.settled} <= {f.code for f in FLAGS.values() if f.kind == "absence"}
