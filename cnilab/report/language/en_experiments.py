"""The words of the chapters on experiments, in English: a web server under load, replicas, rules of policies."""

from __future__ import annotations

EXPERIMENTS: dict[str, str] = {
    # ---- a web server under load
    "http.title": "What does an application notice?",
    "http.intro": (
        "nginx answers small requests. Its capacity is what a closed loop reaches, in which every connection asks "
        "again as soon as it was answered; latency is measured at a constant rate, a share of each treatment's own "
        "capacity, and counted from the moment a request was due. A trial in which less than 98 % was answered in "
        "time is saturated: its latency would only tell how long it was measured, so it has none. Capacities and "
        "latencies are medians over blocks; whether two differ is what the verdicts say."
    ),
    "http.capacity": "At most {high} requests a second under {best}, and {low} under {worst}.",
    "http.latency": "at {load} of its own capacity a request takes {p50} at the median",
    "http.latency_p90": (
        "at {load} of its own capacity a request takes {p50} at the median and more than {tail} in one of ten"
    ),
    "http.latency_p99": (
        "at {load} of its own capacity a request takes {p50} at the median and more than {tail} in one of a hundred"
    ),
    "http.ceiling": (
        "The generator alone, over loopback, reaches {rate} requests a second; the highest capacity found here is "
        "{share} of that."
    ),
    "http.ceiling_near": (
        "The generator alone, over loopback, reaches {rate} requests a second; the highest capacity found here is "
        "{share} of that, so that the fastest may be held back by the generator and not by the network."
    ),
    "http.caption": (
        "Requests a second in a closed loop ({test}), latency at a share of that, and CPU time of the whole machine a "
        "request"
    ),
    "http.rate": "requests a second",
    "http.p50_at": "median at {load}",
    "http.p90_at": "90th percentile at {load}",
    "http.p99_at": "99th percentile at {load}",
    "http.saturated": "saturated",
    "http.cpu": "CPU time a request",
    "http.axis": "requests a second, closed loop",
    "http.block": "a block",
    "http.median": "median of the blocks",
    "http.limit": "the generator alone, over loopback",
    "http.figure": "Requests a second that nginx answers, every block.",
    "http.alt": (
        "Requests a second by treatment: the highest median is {high} under {best}, the lowest {low} under {worst}."
    ),
    # ---- replicas
    "replicas.title": "Do more replicas beat a faster mode?",
    "replicas.intro": (
        "Each replica is one nginx with one process, behind one ClusterIP by kube-proxy's rules, which pick one of "
        "them for every new connection. Compared are the mode that is slowest with the fewest replicas, at the most "
        "replicas, and the one that is fastest with the fewest; the interval is over blocks."
    ),
    "replicas.beat": (
        "More replicas beat a faster mode: {slow} with {most} answers {ratio} of what {fast} answers with {least}."
    ),
    "replicas.beaten": (
        "More replicas do not beat a faster mode: {slow} with {most} answers {ratio} of what {fast} answers with "
        "{least}."
    ),
    "replicas.no_faster": (
        "No mode can be told to be faster with {least}: {slow} answers {alone} of what {fast} does. With {most} it "
        "answers {ratio} of that."
    ),
    "replicas.open": (
        "Whether more replicas beat a faster mode cannot be told: {slow} with {most} answers {ratio} of what {fast} "
        "answers with {least}."
    ),
    "replicas.cpu": (
        "At the highest capacity ({mode}, {n}) the machine's CPUs are busy {busy} of the time: they are the ceiling, "
        "and not the network."
    ),
    "replicas.not_cpu": (
        "At the highest capacity ({mode}, {n}) the machine's CPUs are busy {busy} of the time: they are not the "
        "ceiling."
    ),
    "replicas.caption": "Capacity by replicas; the ratio is to the same mode with the fewest, its interval at {level}",
    "replicas.mode": "mode",
    "replicas.count": "replicas",
    "replicas.ratio": "against the fewest",
    "replicas.latency": "median latency",
    "replicas.busy": "CPUs busy",
    "replicas.one_node": "all on one node",
    "replicas.every_node": "on the nodes in turn",
    "replicas.figure": "Requests a second by the number of replicas; a line joins the medians of the blocks.",
    "replicas.alt": (
        "Requests a second by replicas: the highest median is {high} under {best} with {n}, the lowest {low} under "
        "{worst} with {m}."
    ),
    # ---- rules of network policies
    "policy.title": "What does a network policy cost?",
    "policy.intro": (
        "A NetworkPolicy of that many rules stands on the server's pod, as Felix writes it; one rule allows the "
        "client, and stands last, so that every rule before it is looked at, or first. The slope is one number a "
        "block (Theil–Sen over the levels, which are measured in random order), and its interval is over blocks. "
        "Packets of a standing connection leave the pod's chain before its policies."
    ),
    "policy.connect": "opening a connection, {match}",
    "policy.exchange": "a request and its answer on a standing connection, {match}",
    "policy.last": "its rule last",
    "policy.first": "its rule first",
    "policy.adds": "each rule adds {slope} ns ({low} to {high})",
    "policy.takes": "each rule takes {slope} ns off ({low} to {high})",
    "policy.none": "no cost of a rule can be told ({low} to {high} ns)",
    "policy.unbounded": "each rule is estimated at {slope} ns; too few blocks for an interval",
    "policy.caption": (
        "Cost of one more rule in ns, its interval at {level}, and how much steeper the line is beyond {middle} rules"
    ),
    "policy.slope": "ns a rule",
    "policy.bend": "steeper by",
    "policy.at": "at {rules} rules",
    "policy.axis": "rules of the policy",
    "policy.cost": "µs",
    "policy.figure": (
        "Cost of a connection, and of an exchange on a standing one, by the number of rules; medians of the blocks."
    ),
    "policy.alt": (
        "Cost by number of rules in {series}: the steepest line adds {most} ns a rule, the flattest {least} ns."
    ),
    "policy.connect_short": "new connection",
    "policy.exchange_short": "standing connection",
}
