"""A run directory made of nothing: five modes, ten blocks, seeded noise, as a real run looks."""

import json

import numpy as np

from cnilab.facts import Fact
from cnilab.modes import MODES
from cnilab.runs import derived, samples
from cnilab.runs.samples import reason_columns
from cnilab.runs.writer import RunWriter
from cnilab.study import Study
from cnilab.testbeds.proof import base as proof
from cnilab.units import unit_of

TRUE = {
    "host": 1.0,
    "flannel-vxlan": 0.62,
    "flannel-host-gw": 0.99,
    "calico-ipip": 0.85,
    "calico-bgp-mesh": 1.0,
}
STUDY = {
    "name": "made-up",
    "modes": list(TRUE),
    "placements": ["same_subnet", "cross_subnet"],
    "tests": [
        {"name": "tcp_stream", "tool": "iperf3", "duration_s": 1},
        {"name": "tcp_rr", "tool": "netperf", "duration_s": 1},
    ],
    "primary": {"test": "tcp_stream", "metric": "goodput_bps"},
    "blocks": 10,
    "seed": 7,
}
SUBSTITUTE = Fact("carried_by_ebpf", {"device": "ipip"}, "Unknown device type")
NO_ROUTE = Fact("not_crossing", {"by": "10.0.1.1"}, "no route to host")


def make(path, *, truth=None, study=None, ipip="ebpf", userspace=(), skipped=(), rng=None):
    """Write a run directory and return it; the modes in ``userspace`` were carried there."""
    truth = {**TRUE, **(truth or {})}
    rng = rng or np.random.default_rng(20261124)
    plan = Study.model_validate({**STUDY, **(study or {})}).plan()
    provenance = {
        "recorded_at": "2026-11-24T06:00:00+00:00",
        "kernel": "6.12.0",
        "architecture": "x86_64",
        "system": "Debian GNU/Linux 12",
        "cpu": "A processor",
        "cpus_usable": 2,
        "memory_bytes": 8 * 2**30,
        "virtualised": True,
        "governor": None,
        "root": True,
        "congestion_control_default": "bbr",
        "programs": {"iperf3": "iperf 3.12", "netperf": "Netperf version 2.7.0", "wrk": None},
        "libraries": {"numpy": np.__version__},
    }
    run = RunWriter.create(path, plan, provenance)
    run_id = run.run.run_id
    rows, series, log = [], [], {}
    level = {b: rng.normal(0, 0.08) for b in range(1, plan.study.blocks + 1)}
    seconds = 0.0
    for trials in plan.deployments:
        first = trials[0]
        kernel_path = ipip if first.mode == "calico-ipip" else "userspace" if first.mode in userspace else "native"
        log[first.deployment_id] = {
            "mode": first.mode,
            **first.treatment.to_dict(),
            "kernel_path": kernel_path,
            "notes": [],
            "substitute": SUBSTITUTE.to_dict() if kernel_path == "ebpf" else None,
            "build_s": 0.2,
            "prove_s": 0.1,
        }
        proved = [_proof(first.mode, kernel_path, place) for place in plan.study.placements]
        run.write_json(
            f"proof/{first.deployment_id}.json", {"schema_version": proof.SCHEMA_VERSION, "rows": proved, "evidence": {}}
        )
        own = rng.normal(0, 0.015)
        for trial in trials:
            seconds += 1.3
            started = f"2026-11-24T06:{int(seconds) // 60:02d}:{seconds % 60:06.3f}+00:00"
            test = plan.study.test(trial.test)
            crosses = trial.placement != "cross_subnet" or MODES[trial.mode].crosses_subnets
            status, reason = ("ok", None) if crosses else ("failed", NO_ROUTE)
            if test.tool in skipped:
                status, reason = "skipped", Fact("program_missing", {"program": test.tool, "remedy": "cnilab doctor"})
            meta = {
                "tool": test.tool,
                "kernel_path": kernel_path,
                "status": status,
                "reason": reason.to_dict() if reason else None,
                "started_at": started,
            }
            run.raw(trial.trial_id)
            run.finish(trial, meta)
            base = {
                "run_id": run_id,
                "mode": trial.mode,
                "twin": trial.treatment.twin,
                "duration_s": 1.0,
                "wall_s": 1.1,
                "raw_path": None,
                "tool_version": "3.12" if test.tool == "iperf3" else "2.7.0",
                **{
                    k: getattr(trial, k)
                    for k in ("trial_id", "block", "slot", "deployment_id", "placement", "path")
                },
                "test": trial.test,
                **{name: {**trial.treatment.levels, **trial.levels}.get(name) for name in plan.study.varying if name != "mode"},
                **{k: meta[k] for k in ("kernel_path", "tool", "started_at", "status")},
                **reason_columns(reason),
            }
            if status != "ok":
                rows.append(base)
                continue
            place = 0.9 if trial.placement == "cross_subnet" else 1.0
            factor = (
                truth.get(trial.mode, 0.8)
                * place
                * float(np.exp(level[trial.block] + own + rng.normal(0, 0.01)))
            )
            for metric, stat, value, unit in _values(trial.test, factor):
                rows.append({**base, "metric": metric, "stat": stat, "value": value, "unit": unit})
            if trial.test.startswith("tcp_stream"):
                for t in range(10):
                    series.append(
                        {
                            "run_id": run_id,
                            "trial_id": trial.trial_id,
                            "t_start_s": t / 10,
                            "t_end_s": (t + 1) / 10,
                            "metric": "goodput_bps",
                            "value": 1e10 * factor * float(np.exp(rng.normal(0, 0.02))),
                            "unit": "bit/s",
                            "omitted": False,
                        }
                    )
    samples.write(samples.from_rows(rows), run.path / "samples.parquet")
    samples.write(samples.intervals_from_rows(series), run.path / "intervals.parquet")
    derived.keep(run.path, ["samples.parquet", "intervals.parquet"], run.run.origin)
    run.update_manifest(state="complete", deployments=log, finished_at="2026-11-24T06:06:00+00:00")
    return run.run


def _values(test, factor):
    if test.startswith("tcp_stream"):
        return [
            ("goodput_bps", "value", 1e10 * factor, "bit/s"),
            ("sent_bps", "value", 1.001e10 * factor, "bit/s"),
            ("cpu_s_per_byte", "value", 8e-10 / factor, "s/B"),
            ("cpu_client_ratio", "value", 0.99, "1"),
            ("retransmitted_segments", "value", 0.0, "1"),
        ]
    return [
        ("transaction_rate_per_s", "value", 20000 * factor**0.5, "1/s"),
        ("rtt_s", "p50", 5e-5 / factor**0.5, "s"),
        ("rtt_s", "p99", 2e-4 / factor**0.3, "s"),
    ]


def _proof(name, kernel_path, placement):
    mode = MODES[name]
    reaches = mode.reaches(placement)
    outer = {"none": "plain", "ipip": "ipip (protocol 4)"}.get(
        mode.outer(placement), f"{mode.outer(placement)} {mode.port}"
    )
    outer = "stays on the node" if placement == "same_node" else outer
    row = proof.Row(
        name,
        placement,
        kernel_path,
        "ok",
        None if reaches else NO_ROUTE,
        reaches,
        outer if reaches else "-",
        mode.pod_mtu() if reaches else None,
        mode.ttl(placement) if reaches else None,
        (
            proof.check("packet_arrives", "ok", "ok"),
            proof.check("ttl", [62], [62]),
        ),
    )
    return json.loads(json.dumps(row.to_dict()))


def made_of(path, study, value_of):
    """Write a run of any study in which every trial is ok and has the values that ``value_of(meta, rng)`` gives.

    ``value_of`` returns ``{(metric, stat): value}``; ``meta`` is the trial as its record has it.
    """
    rng = np.random.default_rng(20261201)
    plan = Study.model_validate({"name": "planted", "seed": 7, **study}).plan()
    run = RunWriter.create(path, plan, {"recorded_at": "2026-12-01T06:00:00+00:00", "programs": {}, "libraries": {}})
    rows, log = [], {}
    for trials in plan.deployments:
        entry = {"mode": trials[0].mode, **trials[0].treatment.to_dict(), "kernel_path": "native", "notes": []}
        log[trials[0].deployment_id] = {**entry, "substitute": None}
        for trial in trials:
            tool = plan.study.test(trial.test).tool
            meta = {"tool": tool, "kernel_path": "native", "status": "ok", "reason": None}
            run.raw(trial.trial_id)
            run.finish(trial, meta | {"started_at": "2026-12-01T06:00:00+00:00"})
            names = ("trial_id", "block", "slot", "deployment_id", "placement", "path", "test")
            known = {name: getattr(trial, name) for name in names}
            levels = {**trial.treatment.levels, **trial.levels}
            told = {n: levels.get(n) for n in plan.study.varying if n != "mode"}
            own = {"run_id": run.run.run_id, "mode": trial.mode, "twin": trial.treatment.twin, "duration_s": 1.0}
            base = {**meta, **own, **known, **told, **reason_columns(None), "wall_s": 1.1, "tool_version": "1"}
            for (metric, stat), value in value_of(trial.to_dict(), rng).items():
                rows.append({**base, "metric": metric, "stat": stat, "value": value, "unit": unit_of(metric)})
    samples.write(samples.from_rows(rows), run.path / "samples.parquet")
    samples.write(samples.intervals_from_rows([]), run.path / "intervals.parquet")
    derived.keep(run.path, ["samples.parquet", "intervals.parquet"], run.run.origin)
    run.update_manifest(state="complete", deployments=log, finished_at="2026-12-01T06:06:00+00:00")
    return run.run
