"""Report rows made by hand, one a verdict, as :mod:`cnilab.stats.rows` would make them."""

from cnilab.facts import Fact


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
    "blocks_needed": None,
    "n_min": 9,
    "kernel_path": "native",
    "scale": "log",
    "direction": "higher",
    "unit": "bit/s",
    "reason": None,
    "outlier_blocks": [],
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
    return {**BASE, **changes}


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
    "equivalent": row(ratio=1.004, sim_ci_low=0.97, sim_ci_high=1.03),
    "inconclusive": row(
        verdict="inconclusive", ratio=0.95, sim_ci_low=0.84, sim_ci_high=1.07, blocks_needed=41
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
