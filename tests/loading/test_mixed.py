"""A script's log, in which one program's output comes after the other's."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnilab.loading import load

DATA = Path(__file__).resolve().parents[1] / "data" / "tools"
PING = (DATA / "ping" / "ping_iputils-20221126_icmp_rr.txt").read_text()
IPERF3 = (DATA / "iperf3" / "iperf3_3.12_tcp_text.txt").read_text()
NETPERF = (DATA / "netperf" / "netperf_2.7.0_tcp_rr_classic.txt").read_text()
WRK = (DATA / "wrk" / "wrk_4.1.0_http_load.txt").read_text()


def test_every_programs_result_is_read(tmp_path):
    (tmp_path / "all.log").write_text(
        f"$ ping\n{PING}\n$ iperf3\n{IPERF3}\n$ netperf\n{NETPERF}\n$ wrk\n{WRK}"
    )
    loaded = load(tmp_path, progress=False)
    assert sorted(loaded.files["tool"]) == ["iperf3", "netperf", "ping", "wrk"]
    assert (loaded.files["status"] == "ok").all()
    assert loaded.samples["trial_id"].nunique() == 4
    for text, tool in ((PING, "ping"), (IPERF3, "iperf3"), (NETPERF, "netperf"), (WRK, "wrk")):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / "alone.txt").write_text(text)
        alone = load(tmp_path / "one", progress=False).samples
        mixed = loaded.samples[loaded.samples["tool"] == tool]
        assert list(mixed["value"]) == list(alone["value"])


def test_far_into_a_long_log_as_well(tmp_path):
    (tmp_path / "long.log").write_text(IPERF3 + "waiting\n" * 20_000 + WRK + "waiting\n" * 20_000)
    assert set(load(tmp_path, progress=False).files["tool"]) == {"iperf3", "wrk"}


@pytest.mark.parametrize("after", [0, 20_000])
def test_a_result_far_into_a_long_log(tmp_path, after):
    (tmp_path / "long.log").write_text("waiting\n" * 20_000 + WRK + "waiting\n" * after)
    assert list(load(tmp_path, progress=False).files["tool"]) == ["wrk"]


def test_as_one_tool_it_is_that_tools_alone(tmp_path):
    (tmp_path / "all.log").write_text(PING + IPERF3)
    assert list(load(tmp_path, as_tool="ping", progress=False).files["tool"]) == ["ping"]


def test_a_pattern_names_the_family_of_its_tests(tmp_path):
    (tmp_path / "all.log").write_text(PING + WRK)
    loaded = load(tmp_path, pattern="{test}.log", progress=False)
    assert set(loaded.samples["test"]) == {"all/icmp_rr", "all/http_load"}


@pytest.mark.parametrize("path", [p for p in DATA.glob("*/*") if p.is_file()], ids=lambda p: p.name)
def test_what_one_program_wrote_is_that_programs_alone(path):
    files = load(path, progress=False).files
    assert list(files["tool"]) == [path.parent.name]
