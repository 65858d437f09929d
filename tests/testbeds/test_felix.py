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
