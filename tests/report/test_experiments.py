"""The chapters of the experiments, of the recorded small samples, and what they say of planted numbers."""

import re

import numpy as np
import pytest

from cnilab.bundled import bundled
from cnilab.report import chapters, language
from cnilab.report.chapters import http, policy, replicas
from cnilab.report.chapters.http import Latency, Row
from cnilab.report.chapters.replicas import Step
from cnilab.report.record import Record
from cnilab.stats.ratio import Interval

from . import runs

ENGLISH = language.get("en")
EXPERIMENTS = ("http", "replicas", "policy")


@pytest.fixture(scope="module", params=EXPERIMENTS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def records():
    class Opened(dict):
        def __missing__(self, name):
            return self.setdefault(name, Record.open(bundled(f"data/experiments/{name}")))

    return Opened()


def test_the_samples_tables_follow_from_their_raw_bytes(records, name):
    run = records[name].run
    assert set(run.trials["status"]) == {"ok"}
    assert run.believed("samples.parquet") is not None, "not the table that its raw bytes give"


@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_each_shows_its_sample_and_no_hole_is_left(records, name, spoken):
    html = chapters.show(name, records[name], language.get(spoken))._repr_html_()
    assert f'id="{name}"' in html
    assert f'id="fig-{name}"' in html
    words = re.sub(r"<[^>]*>", " ", html)
    assert not re.search(r"\b(nan|inf)\b|[{}]", words)


def test_what_was_not_measured_is_told_with_its_reason(made_run):
    plain = Record(made_run)
    told = {name: chapters.CHAPTERS[name].applies(plain).code for name in EXPERIMENTS}
    assert told == {"http": "no_http_load", "replicas": "no_replicas", "policy": "no_policy_rules"}


def test_http_shows_each_mode_at_each_load_and_the_generators_ceiling(records):
    found = http.rows(records["http"])
    assert [(x.mode, [at.load for at in x.latencies]) for x in found] == [
        ("host", [0.3, 0.5]),
        ("flannel-vxlan", [0.3, 0.5]),
    ]
    assert all(at.trials == 6 for x in found for at in x.latencies)
    rates = records["http"].samples.query("metric == 'request_rate_per_s' and test == 'capacity' and not twin")
    assert found[0].rate == pytest.approx(rates[rates["mode"] == "host"]["value"].median())
    alone = records["http"].samples.query("metric == 'request_rate_per_s' and test == 'ceiling'")["value"]
    assert http.ceiling(records["http"]) == pytest.approx(alone.median())


def test_saturated_trials_are_counted_and_have_no_latency(records):
    record = records["http"]
    bounds = record.samples.query("metric == 'latency_at_least_s' and stat == 'mean' and test == 'latency' and not twin")
    assert sum(at.saturated for x in http.rows(record) for at in x.latencies) == len(bounds)
    assert not set(bounds["trial_id"]) & set(record.samples.query("metric == 'latency_s'")["trial_id"])


def test_the_tail_that_is_named_has_enough_requests_beyond_it():
    row = Row("host", "host", "native", "same_subnet", (100.0,), (None, None, None), 1e-5, ())
    at = Latency(0.5, 1e-3, 2e-3, 0, 6)
    assert "one of a hundred" in http.latency(at, "p99", ENGLISH)
    assert "one of ten" in http.latency(at, "p90", ENGLISH)
    assert http.latency(Latency(0.5, 1e-3, None, 0, 6), "", ENGLISH).endswith("1 ms at the median")
    assert row.rate == 100


def step(mode, count, rates, spread="one_node"):
    logs = {str(b): float(np.log(r)) for b, r in enumerate(rates)}
    return Step(mode, "native", "same_subnet", spread, count, float(np.median(rates)), None, None, 0.99, logs)


@pytest.mark.parametrize(
    ("slow_alone", "slow_many", "said"),
    [
        (50, 150, "More replicas beat a faster mode: flannel-vxlan with 4"),
        (50, 80, "More replicas do not beat a faster mode: flannel-vxlan with 4"),
        (50, 100, "Whether more replicas beat a faster mode cannot be told"),
        (100, 300, "No mode can be told to be faster with 1"),
    ],
)
def test_planted_capacities_decide_what_is_said(slow_alone, slow_many, said):
    noise = 1 + 0.01 * np.array([-1, 1, -2, 2, -3, 3.5, 0.5, -0.5])
    found = [
        step("flannel-vxlan", 1, slow_alone * noise),
        step("flannel-vxlan", 4, slow_many * noise),
        step("host", 1, 100 * noise[::-1]),
        step("host", 4, 400 * noise),
    ]
    told = replicas.answer(found, 0.05)
    assert str(replicas.sentence(told, ENGLISH)).startswith(said)
    assert told.ratio.low <= told.ratio.estimate <= told.ratio.high


def test_a_slopes_sentence_says_no_more_than_its_interval():
    def said(estimate, low, high):
        return policy.sentence(Interval(estimate, low, high, 0.95, 8), ENGLISH)

    assert said(23.44e-9, 20e-9, 27e-9) == "each rule adds 23.4 ns (20 to 27)"
    assert said(-5e-9, -9e-9, -1e-9) == "each rule takes 5 ns off (1 to 9)"
    assert said(3e-9, -1e-9, 7e-9) == "no cost of a rule can be told (-1 to 7 ns)"
    assert "too few blocks" in said(3e-9, -np.inf, np.inf)


def planted(path, slope_s):
    """A run in which each rule adds ``slope_s`` to a connection when its own stands last, and nothing when first."""
    levels = [0, 10, 50, 100, 200, 500, 1000]
    study = {
        "modes": ["calico-bgp-mesh", "calico-vxlan"],
        "baseline": "calico-bgp-mesh",
        "factors": {"policy_rules": levels, "policy_match": ["last", "first"]},
        "placements": ["same_subnet"],
        "tests": [{"name": "connect", "tool": "pacer", "kind": "http_load", "options": {"connection": "new"}}],
        "primary": {"test": "connect", "metric": "latency_s", "stat": "p50"},
        "aa": False,
        "blocks": 8,
    }
    return runs.made_of(path, study, lambda meta, rng: {
        ("latency_s", "p50"): 80e-6 * np.exp(rng.normal(0, 0.002))
        + slope_s * meta["levels"]["policy_rules"] * (meta["levels"]["policy_match"] == "last")
    })  # fmt: skip


def test_a_planted_cost_a_rule_is_recovered_through_the_whole_report(tmp_path):
    record = Record(planted(tmp_path / "planted", 20e-9))
    found = {(x.mode, x.match): x for x in policy.lines(record)}
    assert set(found) == {(m, at) for m in ("calico-bgp-mesh", "calico-vxlan") for at in ("last", "first")}
    for (_, match), line in found.items():
        slope = line.found.slope
        assert slope.n == 8
        assert slope.low < (20e-9 if match == "last" else 0) < slope.high
    html = chapters.show("policy", record, ENGLISH)._repr_html_()
    assert "each rule adds 20" in html or "each rule adds 19" in html
    assert "no cost of a rule can be told" in html
