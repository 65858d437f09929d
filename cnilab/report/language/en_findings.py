"""What is found when a run is looked over, and what helps, in English; the facts are :mod:`cnilab.findings`'."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cnilab.measurements.remarks import in_words


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _moved(what: Callable[[float], str]) -> Callable[..., str]:
    return lambda series, estimate, p: f"{series}: {what(estimate)} (p = {p:.3f})"


def _level_drifts(metric: str, shares: Sequence[tuple[str, str, float]]) -> str:
    modes = ", ".join(f"{mode} {_percent(share)} {placement}" for mode, placement, share in shares)
    return (
        f"{metric} changes by more than a tenth from the first to the last third of a run, in this share of runs: "
        f"{modes}"
    )


def _mtu_as_shipped(mtus: Sequence[tuple[int, Sequence[str]]]) -> str:
    each = "; ".join(f"{mtu} B: {', '.join(modes)}" for mtu, modes in mtus)
    return f"each mode has its own MTU, as shipped ({each}); part of a difference can be this alone"


def _setting_differs(
    setting: str, value: str, usual: str, places: Sequence[Sequence[str]], deployments: int, of: int
) -> str:
    where = " and ".join(f"the {place} ({', '.join(ends)})" if ends else place for place, *ends in places)
    return (
        f"{setting} was {value} at {where}, elsewhere {usual} (in {deployments} of the mode's {of} deployments): "
        "part of a difference can be this alone"
    )


def _not_proved(deployments: Sequence[str]) -> str:
    return f"{len(deployments)} deployments have no proof ({', '.join(deployments[:3])} …)"


def _noted(note: str, deployments: int) -> str:
    return f"{note} ({deployments} deployments)" if deployments > 1 else note


def _disturbed(
    disturbed: int, of: int, again: int, stayed: int, causes: Sequence[str], by: Sequence[str]
) -> str:
    what = " and ".join(_CAUSES.get(cause, cause) for cause in causes)
    named = f" (most by {', '.join(by)})" if by else ""
    left = f"{stayed} could not be had undisturbed" if stayed else "each was then had undisturbed"
    return f"{disturbed} of {of} trials were disturbed by {what}{named}; {again} were measured again, {left}"


_CAUSES = {
    "foreign_cpu": "other processes",
    "steal": "the hypervisor's other guests",
    "state_changed": "a change of the machine's state",
}


def _states(centres_s: Sequence[float], shares: Sequence[float]) -> str:
    each = ", ".join(
        f"{1e6 * c:.1f} µs in {_percent(share)} of the trials" for c, share in zip(centres_s, shares)
    )
    return (
        f"the machine was in {len(centres_s)} states, told apart by the wake-up round trip between the two CPUs "
        f"({each}); modes are compared within each"
    )


FINDINGS: Mapping[str, str | Callable[..., str]] = {
    # what is missing
    "no_way_by_design": "{why}; a property of the mode, not an error ({trials} trials)",
    "trials_ended": "{trials} of {of} trials {status}: {why}",
    "bench_failed_trials": (
        "{trials} of {of} trials have no value because the bench failed, which says nothing of the mode: {why}"
    ),
    "stopped_as_declared": "stopped as declared before block {block}: {rule}",
    "trials_absent": "{missing} of {of} planned trials were not done (blocks {first} to {last})",
    "not_planned": "a trial that was not planned",
    "planned_otherwise": "was {was}, planned was {planned}",
    "out_of_order": "{trials} of {of} trials ran out of the planned order",
    "receiver_silent": "{trials} trials lack the receiver's count; the sender's is not used in its place",
    "remark": lambda trials, remark: f"{trials} trials: {in_words(remark)}",
    "proof_does_not_hold": "{deployment}: {why}",
    "not_proved": _not_proved,
    "noted": _noted,
    "study_edited": "the study was changed after the run began: {key}: declared {declared}, now {now}",
    "raw_bytes_altered": "{why}; the trial counts as failed",
    # whether both sides had the same conditions
    "versions_vary": lambda versions: f"tool versions vary: {', '.join(versions)}",
    "implementations_vary": lambda kernel_paths: (
        f"carried by different implementations: {', '.join(kernel_paths)}"
    ),
    "setting_varies": lambda setting, values: f"{setting.replace('_', ' ')} varies: {', '.join(values)}",
    "setting_differs": _setting_differs,
    "settings_not_recorded": (
        "offloads, packet steering, socket buffers and congestion control were not recorded in {deployments} of "
        "{of} deployments; whether they were alike there is not known"
    ),
    "mtu_as_shipped": _mtu_as_shipped,
    "substitute_carried": "a substitute carried its packets: {how}",
    "core_full": lambda modes: (
        f"one core was full for {', '.join(modes)}: goodput is bound by CPU there, not by a link"
    ),
    "tail_thin": (
        "{stat} of the round trip: {requests:.0f} requests stand behind the thinnest trial, {needed:.0f} are wanted"
    ),
    # whether the bench was still
    "level_drifts": _level_drifts,
    "steadiness_unknown": (
        "whether runs are steady is not known for {series} of {of} series: too few intervals in a run"
    ),
    "drift": _moved(lambda slope: f"drift of {100 * slope:+.2g} % per block"),
    "neighbours_alike": _moved(lambda r: f"neighbouring blocks resemble each other (r = {r:+.2f})"),
    "step": _moved(lambda last: f"a step after value {last + 1:.0f}"),
    "position_matters": _moved(lambda first: f"the first place in a block is off by {100 * first:+.2g} %"),
    "movement_checked": (
        "{checks} checks for drift, steps, position and carry-over; {flagged} flagged, {by_chance:.2g} expected by "
        "chance; at this number of blocks small effects can be missed"
    ),
    "movement_unknown": "drift, steps, position and carry-over are not known: fewer than {blocks} complete blocks",
    "no_control": "no A/A control: the bench's own noise is not known",
    "baseline_differs": "{series}: the baseline differs from itself",
    "margin_out_of_reach": lambda series: (
        "the margin is narrower than the A/A interval, so that 'the same' is out of reach for "
        + ", ".join(series)
    ),
    "trials_disturbed": _disturbed,
    "machine_states": _states,
    # what helps
    "remedy.aa": "aa: true in the study",
    "remedy.compare_cpu": "compare cpu_s_per_byte as well",
    "remedy.doctor": "`cnilab doctor` tells what is missing",
    "remedy.duration": "duration_s of {seconds:.2g} or more",
    "remedy.kernel_with_device": "a kernel that has the device",
    "remedy.longer_trials": "longer omit_s and duration_s",
    "remedy.more_precision": "more blocks, longer trials, or a wider margin declared beforehand",
    "remedy.mss_both": "mss: both",
    "remedy.new_run": "what was declared is in manifest.json; a run under other terms is a new run",
    "remedy.one_version": "run it again with one",
    "remedy.quiet_machine": "end what else runs, then run it again",
    "remedy.put_back": "put the recorded file back",
    "remedy.read_stderr": "read raw/<trial>/client.err of these trials",
    "remedy.resume": "cnilab study {run}/study.yaml -o {run} --resume",
    "remedy.resumed_run": "a resumed run does this; otherwise do not trust it",
    "remedy.run_again": "more blocks, once the bench is well again",
    "remedy.set_alike": "set both alike and run it again",
    "remedy.set_in_study": "set it in the study",
    "remedy.within_blocks": "comparisons are within blocks and keep; read absolute numbers with care",
}
