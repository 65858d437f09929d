"""Report rows made by hand, one a verdict, as :mod:`cnilab.stats.rows` would make them."""

import math

from cnilab.facts import Fact
from cnilab.stats.shown import interval_shown


def absent(mode, why):
    """Return the reason of a row whose mode has no value."""
    return Fact("mode_absent", {"mode": mode, "why": why}).to_dict()


BASE = {
    "metric": "goodput_bps",
    "stat": "value",
    "test": "tcp_stream",
    "placement": "same_subnet",
    "path": "pod_to_pod",
    "mode": "flannel-vxlan",
    "baseline": "host",
    "n_blocks": 10,
    "n_used": 10,
    "ratio": 0.62,
    "sim_ci_low": 0.58,
    "sim_ci_high": 0.66,
    "ci_low": 0.59,
    "ci_high": 0.65,
    "sim_ci_level": 0.994,
    "margin": 0.05,
    "verdict": "equivalent",
    "flags": [],
    "warnings": [],
    "family": "primary",
    "family_size": 8,
    "blocks_to_differ": None,
    "blocks_to_be_same": None,
    "same_within": None,
    "higher": 0,
    "n_min": 9,
    "kernel_path": "native",
    "scale": "log",
    "direction": "higher",
    "unit": "bit/s",
    "reason": None,
    "outlier_blocks": [],
    "states": [],
    "centre": 6.2e9,
    "centre_low": 5.8e9,
    "centre_high": 6.6e9,
    "p_holm": 0.016,
    "p_equivalence_holm": 1.0,
    "wins": 0,
    "difference": None,
    "difference_sim_ci_low": None,
    "difference_sim_ci_high": None,
}


def row(**changes):
    """Return a row; the interval shown is made of the simultaneous one where no other is given."""
    made = {**BASE, **changes}
    linear = made["scale"] == "linear"
    stem, estimate = ("difference_sim_ci", made["difference"]) if linear else ("sim_ci", made["ratio"])
    into, out = (float, float) if linear else (math.log, math.exp)
    low, high = made[f"{stem}_low"], made[f"{stem}_high"]
    ends = (-math.inf if low is None else into(low), math.inf if high is None else into(high))
    lam = made["margin"] and (made["margin"] if linear else math.log1p(made["margin"]))
    positive = estimate is not None and into(estimate) > 0
    if low is not None or high is not None:
        ends = interval_shown(made["verdict"], ends, one_sided=ends, among_all=ends, lam=lam, explored=False,
                              positive=positive)  # fmt: skip
    shown = {
        f"shown_{name}": out(end) if math.isfinite(end) else None for name, end in zip(("low", "high"), ends)
    }
    return {**shown, **made}


def _absent(why, mode="flannel-vxlan"):
    return Fact("mode_absent", {"mode": mode, "why": why}).to_dict()


#: Name -> a row; one a verdict and one a way of being absent.
CASES = {
    "different_material": row(verdict="different_material"),
    "different_material_times": row(
        verdict="different_material", metric="rtt_s", stat="p50", ratio=3.42, sim_ci_low=3.1, sim_ci_high=3.8
    ),
    "different_material_substitute": row(
        verdict="different_material", mode="calico-ipip", kernel_path="ebpf"
    ),
    "different_size_unclear": row(
        verdict="different_size_unclear", ratio=0.95, sim_ci_low=0.92, sim_ci_high=0.99
    ),
    "different_negligible": row(
        verdict="different_negligible", ratio=0.98, sim_ci_low=0.965, sim_ci_high=0.995
    ),
    "equivalent": row(ratio=1.004, sim_ci_low=0.97, sim_ci_high=1.03, same_within=0.032),
    "inconclusive": row(
        verdict="inconclusive", ratio=0.95, sim_ci_low=0.84, sim_ci_high=1.07, blocks_to_differ=41,
        blocks_to_be_same=95,
    ),
    "inconclusive_lead": row(
        verdict="inconclusive", ratio=0.95, sim_ci_low=0.92, sim_ci_high=0.98, shown_low=0.9, shown_high=1.01,
        flags=["bh_not_rejected"], family="exploratory",
    ),
    "none_in_either": row(
        metric="loss_ratio", unit="ratio", scale="linear", ratio=None, difference=0.0, margin=0.001,
        difference_sim_ci_low=0.0, difference_sim_ci_high=0.0, flags=["none_in_either"],
    ),
    "more_retransmitted": row(
        metric="retransmitted_segments", unit="1", scale="linear", verdict="inconclusive", ratio=None,
        difference=-3.0, margin=None, difference_sim_ci_low=-30.0, difference_sim_ci_high=28.0,
    ),
    "some_failed": row(
        verdict="different_material", n_used=8, n_failed=2,
        failed_reason=Fact("tool_reported", quoted="connection refused").to_dict(),
    ),
    "less_to_none": row(verdict="different_size_unclear", ratio=0.75, sim_ci_low=0.54, sim_ci_high=1.004),
    "measured_apart": row(
        verdict="not_comparable", flags=["not_interleaved"],
        reason=Fact("measured_apart", {"mode": "flannel-vxlan", "baseline": "host"}).to_dict(),
    ),
    "inconclusive_open": row(verdict="inconclusive", ratio=0.95, sim_ci_low=None, sim_ci_high=None),
    "insufficient_n": row(verdict="insufficient_n", n_used=5, ratio=0.6, sim_ci_low=None, sim_ci_high=None),
    "not_crossing": row(
        verdict="not_comparable",
        flags=["does_not_cross_subnets"],
        ratio=None,
        n_used=0,
        reason=absent("flannel-vxlan", Fact("not_crossing", {"by": "10.0.1.1"}, "no route to host")),
    ),
    "skipped": row(
        verdict="not_comparable",
        flags=["all_skipped"],
        ratio=None,
        n_used=0,
        reason=absent("flannel-vxlan", Fact("tool_reported", quoted="no root here")),
    ),
    "failed": row(
        verdict="not_comparable",
        flags=["all_failed"],
        ratio=None,
        n_used=0,
        reason=absent("flannel-vxlan", Fact("tool_reported", quoted="iperf3 said no")),
    ),
    "unsteady": row(verdict="not_comparable", flags=["unsteady"]),
    "doubtful": row(
        verdict="different_material", flags=["aa_differs", "depends_on_block"], outlier_blocks=["7"]
    ),
}
