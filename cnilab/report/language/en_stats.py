"""What verdicts and flags mean, in English: what :mod:`cnilab.stats.verdict` decides, and nothing decided here."""

from __future__ import annotations

VERDICTS: dict[str, str] = {
    "different_material": "different, and by more than the margin",
    "different_size_unclear": "different; whether by more than the margin is not yet clear",
    "different_negligible": "distinguishable, practically the same: within the margin",
    "equivalent": "the same within the margin",
    "inconclusive": "cannot tell yet",
    "insufficient_n": "too few blocks for any data to be significant",
    "not_comparable": "not comparable",
}

FLAGS: dict[str, str] = {
    "substitute": "packets were carried by a substitute for the real implementation (kernel_path)",
    "kernel_path_varies": "a mode's packets were carried by different implementations in this table",
    "aa_differs": "the A/A control of this table differs: the bench sees differences that are not there",
    "not_interleaved": "the two were measured one after the other, so whatever drifted looks like a difference",
    "identical_values": "both modes have exactly the same values in every block: was a file copied?",
    "none_in_either": "neither counted any, in every block",
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
    "unsteady_short": "more than a fifth of a mode's runs changed level within the few seconds that they lasted",
    "nonpositive_value": "a value of zero or less on a metric compared as a ratio",
    "bh_not_rejected": "significant in its own table, not among all tables explored",
    "ci_unbounded": "so few blocks allow no finite interval",
    "blocks_missing": "some blocks have no value for one of the two modes",
    "partial_cells": "some runs of a deployment failed; its cell uses the others",
    "difference_scale": "compared as a difference in the metric's own unit; there is no ratio",
    "no_margin": "no margin was declared for this metric, so equivalence cannot be claimed",
    "margin_below_noise": "the margin is narrower than the A/A interval: equivalence is out of reach",
    "mixed_versions": "tool versions vary inside this comparison",
    "factor_varies": "something else was varied and is in neither what is compared nor what it is compared within",
    "states_differ": "the machine was in several states, and the ratio differs between them",
    "disturbed": "more than a fifth of a side's trials were disturbed from outside, also when measured again",
}
