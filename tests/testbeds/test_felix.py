"""The lab's Calico carries the rules that Felix's own renderer printed, chain by chain and in order."""

import re
from pathlib import Path

import pytest

from cnilab.modes import MODES
from cnilab.testbeds.lab import felix
from cnilab.testbeds.lab.planes import topology_for

RECORDED = Path(__file__).parents[1] / "data" / "felix"
#: Where the published manifest's settings differ from the renderer's defaults, and chains that nothing jumps to.
MANIFEST = {
    '-m comment --comment "Configured DefaultEndpointToHostAction" -j DROP': '-m comment --comment "Configured '
    'DefaultEndpointToHostAction" -j ACCEPT'
}
UNREACHED = {"cali-wireguard-incoming-mark"}
WORDS = {
    "--jump": "-j", "--goto": "-g", "--in-interface": "-i", "--out-interface": "-o", "--dports": "--destination-ports",
    "-p 17 ": "-p udp ",
}  # fmt: skip


def normal(rule):
    rule = re.sub(r'-m comment --comment "cali:[^"]*" ', "", rule)
    for word, other in WORDS.items():
        rule = rule.replace(word, other)
    return MANIFEST.get(rule.strip(), rule.strip())


def recorded(encapsulation):
    """(table, chain) -> rules, as the renderer printed them."""
    chains, table, key = {}, "", None
    for line in (RECORDED / f"v3.28.5-{encapsulation}.txt").read_text().splitlines():
        if line.startswith("# "):
            _, table, chain, _ = line.split()
            key = (table, chain)
            chains[key] = []
        elif line.startswith("-A FORWARD [] "):
            chains.setdefault(("filter", "FORWARD"), []).append(normal(line.removeprefix("-A FORWARD [] ")))
        else:
            chains[key].append(normal(line.split(" ", 2)[2]))
    return {k: v for k, v in chains.items() if k[1] not in UNREACHED}


def written(mode):
    topology = topology_for(mode)
    chains, table = {}, ""
    for line in felix.rules(topology.node("n1"), MODES[mode]).splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            chains[table, line[1:].split()[0]] = []
        elif line.startswith("-A "):
            chains.setdefault((table, line.split()[1]), []).append(normal(line.split(" ", 2)[2]))
    return chains


@pytest.mark.parametrize(
    ("mode", "encapsulation"),
    [
        ("calico-bgp-mesh", "none"),
        ("calico-vxlan", "vxlan"),
        ("calico-ipip", "ipip"),
        ("calico-wireguard", "wireguard"),
    ],
)
def test_every_chain_is_as_felix_writes_it(mode, encapsulation):
    there, here = recorded(encapsulation), written(mode)
    here.pop(("nat", "POSTROUTING"))
    for chain in ("cali-rpf-skip", "cali-from-host-endpoint", "cali-to-host-endpoint"):
        assert here.pop(("raw", chain)) == []  # made by managers that the renderer was not asked for; empty
    assert set(here) == set(there)
    for chain, rules in there.items():
        assert here[chain] == rules, chain


def test_hooks_stand_where_felix_puts_them():
    lines = felix.rules(topology_for("calico-bgp-mesh").node("n1"), MODES["calico-bgp-mesh"]).splitlines()
    hooks = [
        re.sub(r' -m comment --comment "[^"]*"', "", line) for line in lines if re.match(r"-[AI] [A-Z]", line)
    ]
    assert [h for h in hooks if h.startswith("-I")] == [
        "-I PREROUTING -j cali-PREROUTING", "-I OUTPUT -j cali-OUTPUT",
        "-I PREROUTING -j cali-PREROUTING", "-I POSTROUTING -j cali-POSTROUTING",
        "-I FORWARD -j cali-FORWARD", "-I INPUT -j cali-INPUT", "-I OUTPUT -j cali-OUTPUT",
        "-I PREROUTING -j cali-PREROUTING", "-I OUTPUT -j cali-OUTPUT",
    ]  # fmt: skip
    assert hooks[-1] == "-A POSTROUTING -j cali-POSTROUTING"


def test_many_pods_are_found_by_one_level_of_a_tree():
    """As printed for these five names: ``cali1+`` leads to three, the others stand by themselves."""
    names = sorted(
        ["cali182c452fe96", "calia90130732ba", "cali1aaaaaaaaaa", "cali1bbbbbbbbbb", "calif00000000"]
    )
    chains = dict(felix._dispatch("cali-from-wl-dispatch", "-i", "cali-fw-", names))
    assert [r.split(" -")[0] for r in chains["cali-from-wl-dispatch"]][:3] == [
        "-i cali1+", "-i calia90130732ba", "-i calif00000000",
    ]  # fmt: skip
    assert len(chains["cali-from-wl-dispatch-1"]) == 4


def test_a_policy_is_written_as_felix_writes_it():
    """Recorded from the same renderer: two rules for a source, a policy's chain asked before the profiles'."""
    chains, name = {}, ""
    for line in (RECORDED / "v3.28.5-policy.txt").read_text().splitlines():
        if line.startswith("# "):
            name = line.split()[1].replace("cali1234567890a", "IF")
            chains[name] = []
        else:
            chains[name].append(normal(line.split(" ", 2)[2]))
    pod = topology_for("calico-bgp-mesh").server_pod("same_subnet")
    found, written_of = {}, felix.policy(pod, 3, "last").replace(pod.host_interface, "IF")
    for line in written_of.splitlines():
        if line.startswith("-A "):
            found.setdefault(line.split()[1], []).append(normal(line.split(" ", 2)[2]))
    assert found == chains


@pytest.mark.parametrize(("count", "match"), [(1, "last"), (200, "last"), (200, "first")])
def test_the_rule_that_allows_the_pods_stands_where_it_is_asked_for(count, match):
    pod = topology_for("calico-bgp-mesh").server_pod("same_subnet")
    lines = [x for x in felix.policy(pod, count, match).splitlines() if x.startswith(f"-A {felix.POLICY} ")]
    assert len(lines) == 2 * count - 1
    own = [i for i, line in enumerate(lines) if "--source 10.244.0.0/16" in line]
    assert own == [0 if match == "first" else len(lines) - 1]
    sources = {s for line in lines for s in re.findall(r"--source (\S+)", line)}
    assert len(sources) == count


def test_without_rules_the_pods_chain_is_what_it_was():
    topology = topology_for("calico-bgp-mesh")
    pod = topology.server_pod("same_subnet")
    before = written("calico-bgp-mesh")
    after = [
        normal(line.split(" ", 2)[2])
        for line in felix.policy(pod, 0, "last").splitlines()
        if line.startswith("-A cali-tw-")
    ]
    theirs = [rules for (_, chain), rules in before.items() if chain.startswith("cali-tw-cali")]
    assert after in theirs


POLICY_STUDY = """\
name: policy
factors: {mode: [calico-bgp-mesh, flannel-host-gw], policy_rules: [0, 1000], policy_match: [last, first]}
baseline: flannel-host-gw
placements: [same_subnet]
tests:
  - {name: connect, tool: pacer, kind: http_load, duration_s: 0.3, options: {connection: new}}
primary: {test: connect, metric: latency_s, stat: p50}
blocks: 1
aa: false
"""


@pytest.mark.lab
def test_a_thousand_rules_stand_while_they_are_measured_and_no_longer(tmp_path, lab_of):
    """A mode that enforces no policy is skipped with the reason, at every level but none."""
    from cnilab import execute, study
    from cnilab.testbeds.lab.policies import set_policy

    run = execute.run(study.parse(POLICY_STUDY), tmp_path / "r", progress=False)
    by = run.trials.set_index(["mode", "policy_rules"])
    assert set(by.loc[("calico-bgp-mesh",), "status"]) == {"ok"}
    assert set(by.loc[[("flannel-host-gw", 0)], "status"]) == {"ok"}
    assert set(by.loc[[("flannel-host-gw", 1000)], "reason_code"]) == {"no_policy_engine"}
    lab = lab_of("calico-bgp-mesh")
    before = lab.sh("n2", "iptables-save -t filter").splitlines()
    set_policy(lab, "same_subnet", 1000, "last")
    assert sum(felix.POLICY in line for line in lab.sh("n2", "iptables-save -t filter").splitlines()) == 2001
    set_policy(lab, "same_subnet", 0, "last")
    plain = [line for line in before if line.startswith("-A")]
    assert [x for x in lab.sh("n2", "iptables-save -t filter").splitlines() if x.startswith("-A")] == plain
