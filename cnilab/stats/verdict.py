"""The seven verdicts, and the words for everything that qualifies one.

"The same", "different" and "cannot tell yet" are three answers and are never mixed. A verdict is decided
from adjusted p-values and simultaneous intervals alone; nothing here looks at raw p.
"""

from __future__ import annotations

#: Verdict -> what it means, in the words a reader gets.
VERDICTS: dict[str, str] = {
    "different_material": "different, and by more than the margin",
    "different_size_unclear": "different; whether by more than the margin is not yet clear",
    "different_negligible": "distinguishable, practically the same: within the margin",
    "equivalent": "the same within the margin",
    "inconclusive": "cannot tell yet",
    "insufficient_n": "too few blocks for any data to be significant",
    "not_comparable": "not comparable",
}

#: Flag -> what it means. Flags qualify a verdict; they never delete data.
FLAGS: dict[str, str] = {
    "substitute": "packets were carried by a substitute for the real implementation (kernel_path)",
    "kernel_path_varies": "a mode's packets were carried by different implementations in this table",
    "aa_differs": "the A/A control of this table differs: the bench sees differences that are not there",
    "identical_values": "both modes have exactly the same values in every block: was a file copied?",
    "resolution_limited": "the values do not vary; the instrument's resolution limits this comparison",
    "depends_on_failures": "the verdict changes if failed blocks count as the worst result",
    "failures_not_assessed": "blocks failed, and nobody has said which way this metric is better",
    "depends_on_block": "the verdict changes without the blocks that hold an outlier",
    "outlier_unchecked": "without the blocks that hold an outlier too few remain to check the verdict",
    "tail_unreliable": "too few requests stand behind this percentile",
    "tail_count_unknown": "how many requests stand behind this percentile is not recorded",
    "post_hoc_margin": "the margin was chosen or changed after the data existed",
    "does_not_cross_subnets": "the mode does not cross subnets, by design",
    "all_failed": "every trial of the mode failed here",
    "all_skipped": "the mode could not be measured here",
    "no_rows": "there is no row of the mode here",
    "unsteady": "more than a fifth of a mode's runs changed level while they ran",
    "nonpositive_value": "a value of zero or less on a metric compared as a ratio",
    "bh_not_rejected": "significant in its own table, not among all tables explored",
    "ci_unbounded": "so few blocks allow no finite interval",
    "blocks_missing": "some blocks have no value for one of the two modes",
    "partial_cells": "some runs of a deployment failed; its cell uses the others",
    "difference_scale": "compared as a difference in the metric's own unit; there is no ratio",
    "no_margin": "no margin was declared for this metric, so equivalence cannot be claimed",
    "margin_below_noise": "the margin is narrower than the A/A interval: equivalence is out of reach",
    "mixed_versions": "tool versions vary inside this comparison",
}

#: An end this close to the margin is on it: the last bits of a logarithm decide no verdict.
TOLERANCE = 1e-12

#: Flags that bar a comparison: the verdict is ``not_comparable`` once there are blocks enough.
BARRING = ("identical_values", "unsteady", "nonpositive_value", "depends_on_failures")


def decide(
    *,
    n: int,
    n_min: int,
    p: float | None,
    p_equivalence: float | None,
    low: float,
    high: float,
    lam: float | None,
    alpha: float,
    barred: bool = False,
) -> str:
    """Return the first verdict that holds.

    Parameters
    ----------
    n, n_min
        Blocks used, and the fewest with which any data could be significant in this family.
    p, p_equivalence
        Adjusted p of the difference test and of the equivalence test; None where there is none.
    low, high
        Simultaneous interval, on the scale compared.
    lam
        Margin on that scale; None if none was declared.
    alpha
        Level of the family.
    barred
        Whether something rules a comparison out (:data:`BARRING`).

    Returns
    -------
    str
        A key of :data:`VERDICTS`.
    """
    if n < n_min or p is None:
        return "insufficient_n"
    if barred:
        return "not_comparable"
    same = p_equivalence is not None and p_equivalence <= alpha
    if p <= alpha:
        if lam is not None and (low > lam + TOLERANCE or high < -lam - TOLERANCE):
            return "different_material"
        return "different_negligible" if same else "different_size_unclear"
    return "equivalent" if same else "inconclusive"


def is_difference(verdict: str) -> bool:
    """Whether the verdict claims a difference of any size."""
    return verdict.startswith("different_")
