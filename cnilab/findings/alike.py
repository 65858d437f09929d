"""Were conditions alike on both sides of a comparison, and were there enough requests behind a percentile."""

from __future__ import annotations

from collections.abc import Iterator

from cnilab.facts import Fact
from cnilab.findings.finding import finding
from cnilab.runs import schema1
from cnilab.runs.run import Run
from cnilab.stats.metrics import TAIL
from cnilab.stats.rows import REQUESTS_PER_TAIL

#: Share of one core from which on a program is taken to be bound by it.
FULL_CORE = 0.95


def hidden_difference(run: Run) -> Iterator[dict]:
    """What ought to be one value inside a comparison and is not."""
    ok = run.trials[run.trials["status"] == "ok"]
    for test, group in ok.groupby("test"):
        versions = sorted(group["tool_version"].dropna().unique())
        if len(versions) > 1:
            yield finding(
                "serious",
                Fact("versions_vary", {"versions": versions}),
                test=test,
                remedy=Fact("remedy.one_version"),
            )
    for mode, group in ok.groupby("mode"):
        paths = sorted(group["kernel_path"].dropna().unique())
        if len(paths) > 1:
            yield finding("serious", Fact("implementations_vary", {"kernel_paths": paths}), mode=mode)
    for key in ("congestion_control", "kernel", "mss_bytes", "client_cpu", "server_cpu"):
        seen: dict[str, set[str]] = {}
        for meta in run.metas:
            if meta.get(key) is not None:
                seen.setdefault(meta["test"] if key == "mss_bytes" else "", set()).add(str(meta[key]))
        for test, values in seen.items():
            if len(values) > 1:
                varies = Fact("setting_varies", {"setting": key, "values": sorted(values)})
                where = {"test": test} if test else {}
                yield finding("serious", varies, remedy=Fact("remedy.set_in_study"), **where)
    mtus: dict[int, set[str]] = {}
    for proof in run.proofs.values():
        for row in proof.get("rows", ()):
            if row.get("mtu") is not None:
                mtus.setdefault(int(row["mtu"]), set()).add(row["mode"])
    if len(mtus) > 1 and run.study.mss == "as_shipped":
        own = Fact("mtu_as_shipped", {"mtus": [(m, sorted(mtus[m])) for m in sorted(mtus, reverse=True)]})
        yield finding("info", own, remedy=Fact("remedy.mss_both"))


def substitute_used(run: Run) -> Iterator[dict]:
    """Modes whose packets were not carried by the real implementation."""
    deployments: dict[tuple[str, str], int] = {}
    for entry in run.deployments:
        if (path := entry.get("kernel_path")) in ("ebpf", "userspace"):
            how = schema1.read(entry.get("substitute")) or Fact("carried_by_substitute", {"path": path})
            key = (entry["mode"], how.to_json())
            deployments[key] = deployments.get(key, 0) + 1
    for (mode, how_json), n in sorted(deployments.items()):
        carried = Fact("substitute_carried", {"how": Fact.from_json(how_json)})
        yield finding("warning", carried, mode=mode, value=n, remedy=Fact("remedy.kernel_with_device"))


def core_full(run: Run) -> Iterator[dict]:
    """Streams bound by one full core: what is compared there is CPU cost, not the link."""
    cpu = run.samples[
        run.samples["metric"].isin(("cpu_client_ratio", "cpu_server_ratio")) & (run.samples["status"] == "ok")
    ]
    cpu = cpu[~cpu["twin"]]
    top = (
        cpu.groupby(["test", "placement", "mode", "metric"])["value"]
        .median()
        .groupby(["test", "placement", "mode"])
        .max()
    )
    full = top[top >= FULL_CORE].reset_index()
    for (test, place), group in full.groupby(["test", "placement"]):
        yield finding(
            "info",
            Fact("core_full", {"modes": list(group["mode"])}),
            value=group["value"].max(),
            threshold=FULL_CORE,
            test=test,
            placement=place,
            remedy=Fact("remedy.compare_cpu"),
        )


def tail_unreliable(run: Run) -> Iterator[dict]:
    """Percentiles with too few requests behind them."""
    ok = run.samples[run.samples["status"] == "ok"]
    for test in run.study.tests:
        own = ok[ok["test"] == test.name]
        rates = own.loc[own["metric"].isin(("transaction_rate_per_s", "request_rate_per_s")), "value"]
        if rates.empty:
            continue
        fewest = float(rates.min()) * test.duration_s
        for stat in sorted(set(own.loc[own["metric"] == "rtt_s", "stat"]) & set(TAIL)):
            needed = REQUESTS_PER_TAIL / (1 - TAIL[stat])
            if fewest < needed - 1e-6:
                yield finding(
                    "warning",
                    Fact("tail_thin", {"stat": stat, "requests": fewest, "needed": needed}),
                    test=test.name,
                    value=fewest,
                    threshold=needed,
                    remedy=Fact("remedy.duration", {"seconds": test.duration_s * needed / fewest}),
                )
