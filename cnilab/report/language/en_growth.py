"""How routing grows, in English: the chapter's words, and what the numbers say of claims about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

WORDS: dict[str, str] = {
    "testbed.routers": "routers on one link, their daemons watched",
    "growth.title": "How does routing grow with the number of nodes?",
    "growth.lead.bgp": (
        "{nodes} routers {how} have {sessions} sessions and {routes} routes, each counted; every one held every route "
        "{time} after the start."
    ),
    "growth.lead.flannel": "{nodes} nodes {how} have no session and {routes} routes, programmed in {time}.",
    "growth.how.mesh": "in a mesh",
    "growth.how.reflectors": "with {reflectors}",
    "growth.how.flannel-vxlan": "under flannel's VXLAN",
    "growth.useless": "anything",
    "growth.no_interval": "{value} (no interval yet)",
    "growth.intro": (
        "Real BIRD daemons in network namespaces on one bridge, one block a node; of flannel, what it programs into "
        "every kernel. All routers share this machine's processors, so CPU time and times are those of the sum of "
        "their work: on a cluster, where each node has its own, times are shorter and each node pays its own share. "
        "Counts are the same everywhere."
    ),
    "growth.claims": "Three claims, and what the numbers say",
    "growth.claim.mesh": "A BGP mesh carries fewer than 100 nodes",
    "growth.claim.ipip": "With IP-in-IP it carries 100 to 200",
    "growth.claim.exponential": "Routes grow exponentially with the nodes",
    "growth.laws": "What grows how fast",
    "growth.sizes": "Every size that was measured",
    "growth.topology.mesh": "a mesh",
    "growth.topology.flannel-vxlan": "flannel, VXLAN",
    "growth.topology.flannel-host-gw": "flannel, host-gw",
    "growth.rss_bytes": "memory",
    "growth.cpu_s": "CPU time",
    "growth.programming_cpu_s": "CPU time of programming",
    "growth.bytes": "bytes on the link",
    "growth.converged_s": "time until every route is held",
    "growth.joined_s": "time after one more node",
    "growth.withdrawn_s": "time after a withdrawn block",
    "growth.reflector_lost_s": "time after a reflector's death",
    "growth.panel": "{quantity}, {unit}",
    "growth.panel.rss_bytes": "Memory of all daemons",
    "growth.panel.cpu_s": "Their CPU time",
    "growth.panel.converged_s": "Time to every route",
    "growth.axis": "routers",
    "growth.held_back": "held back, predicted",
    "growth.band": "prediction's interval",
    "growth.exponent": (
        "{quantity}: beyond what every router costs alone it grows with the power {exponent}"
    ),
    "growth.no_exponent": "{quantity}: no growth beyond what every router costs alone is to be told yet",
    "growth.verdict.holds": "the law holds: {sizes} routers lie where it predicted them",
    "growth.verdict.open": "whether one law holds cannot be told yet",
    "growth.verdict.broken": "no one law holds, so it is not carried beyond what was measured",
    "growth.verdict.none": "no size was held back to test it",
    "growth.open": (
        "{n} of {of} laws: a law is told from six blocks, {sizes} fitted sizes and {decades} powers of ten on, and "
        "where the blocks agree on whether it bends; the table has what there is."
    ),
    "growth.sentence": "{grown}; {verdict}.",
    "growth.sentence.beyond": "{grown}; {verdict}; {beyond}.",
    "growth.beyond": "at {n} routers it gives {value}",
    "growth.looked": "{n}: predicted {predicted}, measured {measured}",
    "growth.law.holds": "holds",
    "growth.law.broken": "does not hold",
    "growth.law.open": "cannot tell yet",
    "growth.column.nodes": "Routers",
    "growth.column.value": "Value",
    "growth.column.sessions": "Sessions",
    "growth.column.routes_per_node": "Routes a node",
    "growth.column.routes": "Routes in all",
    "growth.column.messages": "Messages",
    "growth.column.rss_bytes": "Memory",
    "growth.column.cpu_s": "CPU",
    "growth.column.bytes": "Bytes",
    "growth.column.converged_s": "From cold",
    "growth.column.joined_s": "One more node",
    "growth.column.withdrawn_s": "Block withdrawn",
    "growth.column.reflector_lost_s": "Reflector dead",
    "growth.column.quantity": "Quantity",
    "growth.column.exponent": "Exponent",
    "growth.column.held_back": "Held-back sizes",
    "growth.column.law": "Law",
    "growth.column.beyond": "Largest size asked for",
    "growth.column.blocks": "Blocks",
    "growth.sizes.caption": (
        "Sessions (each pair once), routes, and medians over the blocks; memory, CPU, messages and bytes are sums over "
        "all daemons until every node held every route. For flannel, CPU is that of the programs that tell the kernels."
    ),
    "growth.laws.caption": (
        "A law a block: what every router costs alone, and a power of their number. Exponent with its 95 % interval; "
        "the held-back sizes took no part in it and are predicted with the interval of one more block's law."
    ),
    "growth.figure": (
        "Both axes are logarithmic: a power law is a straight line. Full marks were fitted, hollow ones held back and "
        "predicted; the band is the prediction's interval. A law that does not hold ends where measuring ended."
    ),
    "growth.figure.alt": (
        "Memory, CPU time and time to every route against the number of routers, {low} to {high}, for {topologies}, "
        "each with its fitted law and the interval of its prediction."
    ),
    "growth.figure.data": "What was measured, centre of the blocks",
    "growth.neighbours": (
        "Neighbour entries are permanent here. Learned ones count against net.ipv4.neigh.default.gc_thresh3{here}, a "
        "limit over all namespaces of a machine: many routers on one machine's bridge never converge without it, and a "
        "real cluster in one subnet meets the same limit when a node has that many neighbours; raise it there."
    ),
    "growth.neighbours.here": " ({limit} here)",
    "growth.departures": (
        "As Calico configures BIRD, but for connect timers of one second, a kernel scan every second, and no graceful "
        "restart: with it, routes of a dead reflector would be kept for two minutes. Messages are routes announced and "
        "withdrawn as BIRD counts them at the receiver; bytes are whole frames. One more node, the withdrawal and the "
        "death follow each other in the same deployment."
    ),
}

COUNTED: dict[str, tuple[str, str]] = {"reflector": ("reflector", "reflectors")}


def _mesh(
    claimed: int, nodes: int, sessions: int, converged_s: float, rss_per_node: float, cpu_per_node: float
) -> str:
    found = "not as a limit" if nodes >= claimed else "not tested in this run"
    return (
        f"{found}: with {nodes} routers ({sessions:,} sessions) every route was held after {converged_s:.3g} s, at "
        f"{rss_per_node / 1e6:.3g} MB and {cpu_per_node:.2g} s of CPU a router"
    )


def _ipip(sessions: Sequence[int], routes: Sequence[int]) -> str:
    return (
        "encapsulation adds no session and no route, so it moves no limit of routing: a mesh of 100 has "
        f"{sessions[0]:,} sessions and {routes[0]} routes a node, one of 200 has {sessions[1]:,} and {routes[1]}, with "
        "IP-in-IP and without"
    )


def _exponential(sizes: int, low: int, high: int, per_node: Sequence[int], in_all: Sequence[int]) -> str:
    return (
        f"no: at each of {sizes} sizes a node holds one route less than there are nodes ({per_node[0]:,} of {low}, "
        f"{per_node[1]:,} of {high}), which is linear; all nodes together hold n(n − 1), {in_all[0]:,} and "
        f"{in_all[1]:,}, which is quadratic: twice the nodes, four times the routes"
    )


_ACTS = {
    "cold": "the start from cold",
    "joined": "one more router's joining",
    "withdrawal": "a block's withdrawal",
    "reflector_lost": "a reflector's death",
}
_STOPS = {
    "time": "the limit of {limit_s:g} s (option limit_s)",
    "memory": "the machine's memory, of which less than 5 % was left",
    "daemon": "a daemon's end",
    "cut": "an end from outside",
}


def _act_stopped(
    act: str,
    why: str,
    limit_s: float,
    routers: int,
    seconds: float | None = None,
    held: int | None = None,
    wanted: int | None = None,
) -> str:
    state = "" if held is None or wanted is None else f", {held:,} of {wanted:,} routes held"
    after = "" if seconds is None else f" after {seconds:.0f} s"
    return f"{_ACTS[act]} with {routers} routers was stopped{after} by {_STOPS[why].format(limit_s=limit_s)}{state}"


FACTS: dict[str, str | Callable[..., str]] = {
    "act_stopped": _act_stopped,
    "counts_not_exact": "{what}: {found:,} counted, {expected:,} expected",
    "bench_failed.no_acts": "nobody here can act; convergence is measured with testbed: routers",
    "bench_failed.no_ends": "testbed: routers has no two ends for a program; it is for tool: convergence",
    "more_reflectors_than_routers": "{reflectors} reflectors among {routers} routers",
    "no_routing_to_watch": lambda mode, known: (
        f"{mode} brings its routes like another of {', '.join(known)}; name that one"
    ),
    "claim_mesh": _mesh,
    "claim_ipip": _ipip,
    "claim_exponential": _exponential,
    "no_growth": "routing was not grown in this run; `cnilab scale`, or a study with testbed: routers, does it",
}
