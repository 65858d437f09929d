"""What facts say, in English: why a trial has no value, what stood in for what, what could not be had.

The codes are made where the facts are found; a test walks the code for them and holds them against this catalogue.
Findings about a whole run are in :mod:`.en_findings`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnilab.report.language import en_growth
from cnilab.report.language.base import Words
from cnilab.report.language.en_findings import FINDINGS
from cnilab.report.language.en_proof import expectation, value
from cnilab.report.language.en_stats import FLAGS


def _with(words: str, remedy: str | None) -> str:
    return f"{words}; try: {remedy}" if remedy else words


def _not_crossing(by: str | None = None, *, quoted: str | None) -> str:
    return "does not cross subnets" + (f": {quoted}" if quoted else "") + (f" by {by}" if by else "")


def _not_in_effect(check: str, expected: Any, found: Any, **about: Any) -> str:
    return (
        f"mode not in effect: {expectation(check, about)}: expected {value(expected)}, found {value(found)}"
    )


def _mode_lost(
    check: str = "", expected: Any = None, found: Any = None, quoted: str | None = None, **about: Any
) -> str:
    lost = "the mode was no longer in effect after the last trial"
    if not check:
        return f"{lost}: {quoted}" if quoted else lost
    return f"{lost}: {expectation(check, about)}: expected {value(expected)}, found {value(found)}"


def _foreign_cpu(cpus: float, by: Sequence[str]) -> str:
    return f"{', '.join(by) or 'processes without a name'} used {cpus:.2f} CPUs meanwhile"


def _state_changed(before_s: float, after_s: float) -> str:
    return f"the wake-up round trip went from {1e6 * before_s:.1f} to {1e6 * after_s:.1f} µs"


def _tool_failed(tool: str, status: int, *, quoted: str | None) -> str:
    return f"{tool} ended with status {status}: {quoted or 'it printed nothing'}"


def _refused(what: str, *, quoted: str | None) -> str:
    return f"{what}: {quoted or 'not there'}"


def _no_namespaces(root: bool, remedy: str | None = None, *, quoted: str | None) -> str:
    words = f"the lab's namespaces cannot be made: {quoted}"
    return (
        f"{words}; this root may not unshare them (a container without CAP_SYS_ADMIN?)"
        if root
        else _with(words, remedy)
    )


def _unavailable(remedy: str | None = None, *, quoted: str | None) -> str:
    return _with(quoted or "not available", remedy)


def _carried(by: str, device: str, quoted: str | None) -> str:
    return f"the kernel has no {device} device{f' ({quoted})' if quoted else ''}; {by} instead"


def _nodes(usable: Sequence[str], left_out: Sequence[str]) -> str:
    shown_ = ", ".join(usable[:5]) + (", …" if len(usable) > 5 else "")
    left = f"; left out: {', '.join(left_out[:3])}{', …' if len(left_out) > 3 else ''}" if left_out else ""
    return shown_ + left


def _not_built(factors: Sequence[str], known: Sequence[str]) -> str:
    return f"{', '.join(factors)} cannot be put in place here; known: {', '.join(known)}"


def _factor_varies(factors: Sequence[str]) -> str:
    return f"varied beside what is compared: {', '.join(factors)}; name it in by or within"


def _setting(where: str, *, quoted: str | None) -> str:
    return f"in {where or 'the fabric'}: {quoted}"


def _outlier(blocks: Sequence[str], verdict: str) -> str:
    hangs = {
        "independent": "does not depend on it",
        "depends": "depends on it",
        "unchecked": "could not be checked without it",
    }
    return f"outlying in block {', '.join(blocks)}; kept, and the verdict {hangs[verdict]}"


_WHY_NO_PATH: dict[str, str] = {
    "pod_to_service": "Docker knows no Services",
    "host_to_host": "a published port leads into the container, not to the host",
}

CATALOGUE: dict[str, Words] = {
    # why a trial has no value
    "timeout": "{tool} was still running after {limit_s:g} s",
    "output_too_long": "{tool} printed more than is kept of a trial, and was ended there",
    "tool_failed": _tool_failed,
    "tool_reported": lambda quoted: quoted or "the tool reported a failure and gave no reason",
    "raw_output_unreadable": "its raw output cannot be read",
    "impossible_value": "a value that cannot be: {metric} {stat} {value}",
    "raw_output_changed": "{file} is not what was recorded: it was changed since",
    "output_not_understood": "output not readable",
    "several_results": "{count} results in one trial's output",
    "no_result": "the output holds no result",
    "no_reason": "no reason recorded",
    "recorded": lambda quoted: quoted or "no reason recorded",
    "not_crossing": _not_crossing,
    "mode_not_in_effect": _not_in_effect,
    "not_in_effect_recorded": "mode not in effect",
    "no_routes_from_bgp": "no routes from BGP after {seconds:g} s; sessions",
    "pod_not_ready": "pod {pod} does not run after {seconds:g} s",
    "not_switched": "the cluster could not be switched to {mode}",
    # the bench's own failures
    "bench_failed.api": "the cluster's API failed ({verb} {path}, status {status})",
    "bench_failed.daemon_ended": lambda daemon, quoted: (
        f"{daemon} has ended: {quoted or 'it printed nothing'}"
    ),
    "bench_failed.lab_changed": lambda changes: f"the lab was changed: {'; '.join(map(str, changes))}",
    "bench_failed.lab_ended": "the lab's first process ended with status {status}",
    "bench_failed.lab_lost": "the lab is gone ({op})",
    "bench_failed.lab_silent": "the lab has not answered for {seconds:g} s",
    "bench_failed.mode_lost": _mode_lost,
    "disturbed.foreign_cpu": _foreign_cpu,
    "disturbed.steal": "the hypervisor took {cpus:.2f} CPUs' worth of time",
    "disturbed.state_changed": _state_changed,
    "bench_failed.not_built": "could not be built",
    "bench_failed.order_died": "the lab could not do for the moment what it was told",
    "bench_failed.order_refused": "the lab could not do what it was told",
    "bench_failed.pod_ended": "pod {pod}",
    "bench_failed.pod_lost": "a pod was lost",
    "bench_failed.server_not_started": lambda program, quoted: (
        f"{program} does not start: {quoted or 'no answer'}"
    ),
    "bench_failed.stalled": "the machine stood still for {seconds:.0f} s",
    "bench_failed.testbed": "the bench failed",
    "bench_failed.defect": "a defect of the testbed ({error})",
    "factor_not_built": _not_built,
    "replicas_need_pods": "several replicas on one node need pods with addresses of their own, and {mode} has none",
    "bench_failed.not_recorded": "the recording has no {test} of {mode} in {placement}",
    "bench_failed.recording_ends": (
        "the recording holds {deployments} deployments of {mode}; the study asks for more"
    ),
    # what cannot be had here
    "unavailable": _unavailable,
    "program_missing": lambda program, remedy=None: _with(f"{program} is not installed", remedy),
    "refused": _refused,
    "root_needed": lambda what, remedy=None: _with(f"{what}: only root may do that", remedy),
    "no_namespaces": _no_namespaces,
    "no_substitute": "no {device} device, and no substitute ({why})",
    "no_mode_of_a_cluster": "{mode} is no mode of a cluster; measure it in the lab",
    "may_not_switch": lambda runs=None: (
        f"this cluster runs {runs or 'an unknown CNI'} and may not be switched; "
        "allow it with: cnilab cluster run --switch, or cluster: {may_switch: true}"
    ),
    "cannot_switch": lambda mode, quoted: quoted or f"the cluster cannot be switched to {mode}",
    "image_lacks": "the image {image} has no {program}; use another with --image",
    "no_two_nodes_share_a_subnet": lambda usable=(), left_out=(): (
        f"no two usable nodes share a subnet ({_nodes(usable, left_out)})"
    ),
    "one_subnet_only": lambda subnet, usable=(), left_out=(): (
        f"all usable nodes are in {subnet} ({_nodes(usable, left_out)})"
    ),
    "not_placed_as_asked": (
        "not placed as asked: {client} is in {client_subnet}, {server} in {server_subnet}"
    ),
    "recording_lacks_mode": "the recording has no {mode}",
    "path_not_offered": lambda mode, path: f"{mode} has no {path}: {_WHY_NO_PATH[path]}",
    # what stood in, and what could not be set or looked at
    "carried_by_ebpf": lambda device, quoted: _carried("eBPF encapsulates", device, quoted),
    "carried_by_wireguard_go": lambda device, quoted: _carried("wireguard-go encrypts", device, quoted),
    "setting_not_made": _setting,
    "congestion_control_not_allowed": lambda wanted, default, allowed=(): (
        f"congestion control {wanted} is not allowed to pods here (allowed: {', '.join(allowed) or 'none'}); "
        f"both ends keep their network's own, {default}"
    ),
    "host_pods_off": "pods on the host's network are switched off (cluster.host_network)",
    "host_pods_refused": "no pods on the host's network",
    "nodes_not_read": (
        "devices, routes and packets of the nodes were not read ({why}); the proof rests on MTU and TTL"
    ),
    "packets_not_captured": "packets were not captured: the image {image} has no tcpdump",
    # why a chapter has nothing to show
    "nothing_compared": "nothing could be compared",
    "no_replicas": "the number of replicas was not varied in this run",
    "no_policy_rules": "the number of a policy's rules was not varied in this run",
    "no_policy_engine": "nothing enforces network policies under {mode}",
    "no_http_load": "no web server was loaded in this run",
    "no_equal_mss": "equal MSS was not measured in this run",
    "no_paths": "no packet's path was recorded in this run",
    "nothing_published": "nobody has published a figure of these modes",
    # why a mode has no place
    "placement_not_measured": lambda placement: f"this study has no {placement}",
    "mode_not_measured": "not in this study",
    "no_value_here": "no value here",
    "no_order": "no order",
    # why there is no comparison, and what would help
    "mode_absent": "{mode}: {why}",
    "no_value": "{mode}: no value of {metric} ({stat})",
    "level_changes": "{mode}: level changes within the run in {share:.0%} of runs",
    "no_ratio": "a value of {value!r} has no ratio",
    "verdicts_differ": "{survivors} among surviving blocks, {with_failures} with failures as worst result",
    "few_blocks": "{blocks} blocks; this family needs {needed} before any data could be significant",
    "identical_values": FLAGS["identical_values"],
    "none_in_either": "neither counted any in {blocks} blocks, and no margin was declared beforehand",
    "measured_apart": "{mode} and {baseline} were measured one after the other and not in turn",
    "not_ranked_userspace": "carried by a userspace substitute; not ranked among kernel modes",
    "carried_by_substitute": "carried by a substitute ({path})",
    "need_blocks": "need >= {needed} blocks in a family of {family}, have {blocks}",
    "interval_unbounded": "need >= {needed} blocks for a finite simultaneous interval, have {blocks}",
    "blocks_missing": "{missing} of {blocks} blocks lack a value of one of the two modes",
    "outlier": _outlier,
    "aa_differs": FLAGS["aa_differs"],
    "margin_below_noise": FLAGS["margin_below_noise"],
    **FINDINGS,
    **en_growth.FACTS,
    "factor_varies": _factor_varies,
}
