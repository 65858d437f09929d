"""Were conditions alike on both sides of a comparison, and were there enough requests behind a percentile."""

from __future__ import annotations

from collections.abc import Iterator

from cnilab.findings.finding import finding
from cnilab.modes import AA_SUFFIX
from cnilab.report.language import tell
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
                f"tool versions vary: {', '.join(versions)}",
                test=test,
                remedy="run it again with one",
            )
    for mode, group in ok.groupby("mode"):
        paths = sorted(group["kernel_path"].dropna().unique())
        if len(paths) > 1:
            yield finding("serious", f"carried by different implementations: {', '.join(paths)}", mode=mode)
    for key in ("congestion_control", "kernel", "mss_bytes", "client_cpu", "server_cpu"):
        seen: dict[str, set[str]] = {}
        for meta in run.metas:
            if meta.get(key) is not None:
                seen.setdefault(meta["test"] if key == "mss_bytes" else "", set()).add(str(meta[key]))
        for test, values in seen.items():
            if len(values) > 1:
                text = f"{key.replace('_', ' ')} varies: {', '.join(sorted(values))}"
                where = {"test": test} if test else {}
                yield finding("serious", text, remedy="set it in the study", **where)
    mtus: dict[int, set[str]] = {}
    for proof in run.proofs.values():
        for row in proof.get("rows", ()):
            if row.get("mtu") is not None:
                mtus.setdefault(int(row["mtu"]), set()).add(row["mode"])
    if len(mtus) > 1 and run.study.mss == "as_shipped":
        told = "; ".join(
            f"{mtu} B: {', '.join(sorted(modes))}" for mtu, modes in sorted(mtus.items(), reverse=True)
        )
        yield finding(
            "info",
            f"each mode has its own MTU, as shipped ({told}); part of a difference can be this alone",
            remedy="mss: both",
        )


def substitute_used(run: Run) -> Iterator[dict]:
    """Modes whose packets were not carried by the real implementation."""
    said: dict[tuple[str, str], int] = {}
    for entry in run.deployments:
        if entry.get("kernel_path") in ("ebpf", "userspace"):
            key = (entry["mode"], tell(how) if (how := schema1.read(entry.get("substitute"))) else entry["kernel_path"])
            said[key] = said.get(key, 0) + 1
    for (mode, why), n in sorted(said.items()):
        yield finding(
            "warning",
            f"a substitute carried its packets: {why}",
            mode=mode,
            value=n,
            remedy="a kernel that has the device",
        )


def core_full(run: Run) -> Iterator[dict]:
    """Streams bound by one full core: what is compared there is CPU cost, not the link."""
    cpu = run.samples[
        run.samples["metric"].isin(("cpu_client_ratio", "cpu_server_ratio")) & (run.samples["status"] == "ok")
    ]
    cpu = cpu[~cpu["mode"].str.endswith(AA_SUFFIX)]
    top = (
        cpu.groupby(["test", "placement", "mode", "metric"])["value"]
        .median()
        .groupby(["test", "placement", "mode"])
        .max()
    )
    full = top[top >= FULL_CORE].reset_index()
    for (test, place), group in full.groupby(["test", "placement"]):
        text = (
            f"one core was full for {', '.join(group['mode'])}: goodput is bound by CPU there, not by a link"
        )
        yield finding(
            "info",
            text,
            value=group["value"].max(),
            threshold=FULL_CORE,
            test=test,
            placement=place,
            remedy="compare cpu_s_per_byte as well",
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
                text = (
                    f"{stat} of the round trip: {fewest:.0f} requests stand behind the thinnest trial, "
                    f"{needed:.0f} are wanted"
                )
                yield finding(
                    "warning",
                    text,
                    test=test.name,
                    value=fewest,
                    threshold=needed,
                    remedy=f"duration_s of {test.duration_s * needed / fewest:.2g} or more",
                )
