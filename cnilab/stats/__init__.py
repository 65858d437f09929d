"""The statistics: which differences between modes are real, and which are not yet known.

One idea a module; the way through them is :func:`compare`. Nothing here reads a tool's output, knows what a
mode is, or runs anything: only numbers, blocks and labels. ``VALIDATION.md`` beside this file holds the
simulations that show that the promises are kept.
"""

from cnilab.stats.assumptions import run_checks
from cnilab.stats.compare import compare, compare_cells, unsteady_runs
from cnilab.stats.comparison import Comparison, Interval
from cnilab.stats.comparisons import Comparisons
from cnilab.stats.declared import Declared
from cnilab.stats.multiplicity import benjamini_hochberg, holm, n_min
from cnilab.stats.omnibus import permutation_f
from cnilab.stats.ranking import Ranking, rank
from cnilab.stats.ratio import hodges_lehmann
from cnilab.stats.sample_size import PlanSize, plan_size
from cnilab.stats.signed_rank import signed_rank
from cnilab.stats.stopping import Precision, precision_of, precision_reached
from cnilab.verdicts import FLAGS, VERDICTS

__all__ = [
    "FLAGS",
    "VERDICTS",
    "Comparison",
    "Comparisons",
    "Declared",
    "Interval",
    "PlanSize",
    "Precision",
    "Ranking",
    "benjamini_hochberg",
    "compare",
    "compare_cells",
    "hodges_lehmann",
    "holm",
    "n_min",
    "permutation_f",
    "plan_size",
    "precision_of",
    "precision_reached",
    "rank",
    "run_checks",
    "signed_rank",
    "unsteady_runs",
]
