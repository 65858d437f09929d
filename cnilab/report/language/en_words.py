"""The report's single words, headings, heads of columns and captions, in English.

One dict: a key to words, with holes in braces that are filled with text, numbers or names of modes. What needs
grammar is in :mod:`.en_results`; what facts, flags and checks say is in the catalogues beside this one.
"""

from __future__ import annotations

from cnilab.report.language import en_growth
from cnilab.report.language.en_choose import CHOOSE
from cnilab.report.language.en_experiments import EXPERIMENTS

WORDS: dict[str, str] = {
    **en_growth.WORDS,
    # ---- top
    "title": "What each CNI mode costs",
    "notice.recorded": "These are recorded numbers, not this machine's.",
    "notice.no_lab": "The lab cannot run here ({why}); this is the recorded sample, not this machine.",
    "fonts.missing": (
        "The figures are in English: no font on this machine has the glyphs of this page's language ({glyphs} …). "
        "Type {remedy}, then make the report again."
    ),
    "title.page": "What each CNI mode costs: {name}",
    "contents": "On this page",
    "skip": "Skip to the report",
    "kicker.study": "study {name}",
    "kicker.kernel": "Linux {version}",
    "testbed.lab": "lab of network namespaces",
    "testbed.kubernetes": "Kubernetes cluster",
    "testbed.replay": "replayed record",
    "placement.same_node": "On the same node",
    "placement.same_subnet": "In the same subnet",
    "placement.cross_subnet": "Across subnets",
    "placement.": "Everywhere",
    "mark.ebpf": "eBPF",
    "mark.userspace": "userspace",
    "marked": "{mode} ({marks})",
    "in_block": " (block {blocks})",
    "failed_in": "it failed in {n} of {blocks}{why}",
    "failed_in.baseline": "{base} failed in {n} of {blocks}{why}",
    "twin": "{mode}, again (A/A)",
    "yes": "yes",
    "no": "no",
    "nothing_compared": "No comparison could be made: no block holds a value of both the baseline and another mode.",
    # ---- the answer
    "title.and_more": "{names} and {n} more",
    "title.in_place": "{title}, {where}",
    "title.undecided": "Which mode costs {noun} cannot be told from this run yet",
    "lead.also": "{names}: by more than {margin} too.",
    "lead.unclear": "Different, but by how much is not clear yet: {parts}.",
    "lead.negligible": "Different, yet practically the same, within {margin}: {parts}.",
    "lead.same": "The same {noun} as {base}, within {margin}: {parts}.",
    "lead.undecided": "Not told yet: {parts}.",
    "lead.few": "Too few blocks to tell: {parts}.",
    "lead.absent": "No number to compare: {parts}.",
    "lead.standins": (
        "{names}: carried by a stand-in for the kernel's own device, so that the speed is not that device's; kept "
        "apart below."
    ),
    "lead.certainty": (
        "{Noun} ({test}) was compared in {blocks}; the interval in brackets holds for all {comparisons} at once, at "
        "{level}."
    ),
    "lead.in_place": "{name} {where}",
    "lead.with": "{part} ({said})",
    "strip.trials": "Trials",
    "strip.trials.ended": "{ok} of {trials} gave values{others}",
    "strip.trials.not_crossing": ", {n} cannot cross subnets by design",
    "strip.trials.failed": ", {n} failed",
    "strip.trials.skipped": ", {n} could not run here",
    "strip.proofs": "Proof on the wire",
    "strip.proofs.held": "{held} of {rows} held every check",
    "strip.proofs.none": "none in this run",
    "strip.machine": "Machine",
    "strip.machine.load": "load {load} on {cores} before the first trial",
    "strip.machine.unread": "its load was not recorded",
    "strip.baseline": "{base} against itself",
    "strip.baseline.unknown": "not measured a second time",
    "strip.findings": "Doubts",
    "strip.findings.none": "none found",
    "strip.findings.weights": "{serious} serious, {warnings}: see the limits",
    "answer.standins": "{where}, carried by a stand-in: not comparable in speed",
    # ---- verdicts
    "verdict.different_material": "different",
    "verdict.different_size_unclear": "different, size unclear",
    "verdict.different_negligible": "practically the same",
    "verdict.equivalent": "the same",
    "verdict.inconclusive": "cannot tell yet",
    "verdict.insufficient_n": "too few blocks",
    "verdict.not_comparable": "not comparable",
    "absent.does_not_cross_subnets": "does not cross subnets",
    "absent.all_skipped": "could not run here",
    "absent.all_failed": "every trial failed",
    "absent.no_rows": "not measured",
    # ---- the price list
    "prices.title": "The price list",
    "prices.intro": (
        "What each mode costs beside {base}: its ratio with the interval that holds for its whole table at once, and "
        "below it the mode's own value. ≠ different, ≈ different yet practically the same, = the same within the "
        "margin, ? cannot tell yet. Modes stand by their place, the rank interval that the declared metric gives them."
    ),
    "prices.caption": "{where}: ratio to {base} by {tests}; ↑ more is better, ↓ less is better",
    "prices.not_measured": "Not measured in this study: {what}.",
    "prices.ceiling": "one core full",
    "column.place": "place",
    "column.wire": "bytes on the wire a byte, by arithmetic ↓",
    # ---- every mode against the baseline
    "table.title": "Every mode against the baseline",
    "table.about": "{Noun} of each mode ({test}) against {base}",
    "table.simultaneous": "; intervals of the ratio hold for all modes and placements at once",
    "table.level": " ({level} each)",
    "column.mode": "mode",
    "column.where": "where",
    "column.ratio_to": "ratio to {base}",
    "column.above": "blocks above",
    "column.below": "blocks below",
    "column.p_holm": "p (Holm)",
    "column.p_same": "p (same)",
    "column.verdict": "verdict",
    "column.with_unit": "{noun}, {unit}",
    "column.ratio": "ratio",
    "column.blocks": "blocks",
    "column.block": "block",
    "n_of_m": "{n} of {m}",
    # ---- figures
    "figure.data": "The data of this figure",
    "figure.data_caption": "Data of the figure: {caption}",
    "ratios.axis": "{noun}, {base} = 100 %",
    "ratios.caption": (
        "{Noun} ({test}) as a share of {base}'s. Mark: estimate; line: interval that "
        "holds for all comparisons at once; "
        "small dots: single blocks; band: the margin of {margin}."
    ),
    "ratios.hollow": " Hollow: a substitute carried the packets.",
    "ratios.dotted": " Dotted: so few blocks set no bound.",
    "legend.hollow": "hollow: substitute",
    "in_state": "{said}, {ends}, in state {number} of the machine",
    "disturbers.caption": (
        "What the machine did beside the trials: the wake-up round trip between its two CPUs, which uses no network "
        "code, and the CPU time of processes that were not the run's"
    ),
    "disturbers.alt": (
        "Reference of the machine over time, from {low} to {high} µs, {states} state(s); {disturbed} of {trials} "
        "trials were disturbed."
    ),
    "disturbers.reference": "Wake-up round trip between the CPUs",
    "disturbers.foreign": "CPUs used by others",
    "disturbers.axis": "minutes since the first trial",
    "disturbers.state": "state {number}",
    "disturbers.no_state": "no reference",
    "disturbers.disturbed": "disturbed trial",
    "disturbers.column.minute": "Minute",
    "disturbers.column.reference": "Round trip (µs)",
    "disturbers.column.state": "State",
    "disturbers.column.foreign": "CPUs used by others",
    "disturbers.column.who": "By",
    "steady.axis": "block, in the order measured",
    "steady.others": "other modes",
    "steady.alt": "{Noun} by block relative to each mode's own middle; {base} ranged {span}. {found}",
    "steady.span": "from {low} % to {high} % of its middle",
    "steady.no_span": "not known",
    "steady.flagged": "{checks} of the primary tables flagged a movement.",
    "steady.clear": "No check of the primary tables flagged a movement.",
    "steady.caption": (
        "{Noun} ({test}) of every block, each mode relative to its own median. What moves all lines together is the "
        "machine; blocks take it out of the comparisons."
    ),
    "steady.where_block": "{where}, {block}",
    # ---- questions
    "question.in_test": "{question} ({test})?",
    "question.declared": (
        "This is the question that was declared before the first trial; its {comparisons} are protected together."
    ),
    "question.in_words": "What was found, in words",
    "question.exploratory": "Exploratory: not declared beforehand, so take it as a lead and not as a finding.",
    **EXPERIMENTS,
    # ---- segment size
    "segment.title": "Segment size, or the rest?",
    "segment.intro": (
        "Headers leave a mode less payload in a packet; putting them on and taking them off is work besides. Every "
        "stream ran twice in each deployment, with the mode's own segment size and with one that fits all modes. How "
        "the two differ, against the same of the baseline, is what segment size does; the rest is the ratio at equal "
        "MSS."
    ),
    "segment.note": (
        "Exploratory: parts of the comparisons above, not comparisons of their own. Whether a mode differs is what "
        "its verdict says."
    ),
    "segment.caption": (
        "Goodput ({test}) against {base} in two factors: ratio = own segment size × the rest; intervals hold one at a "
        "time, at {level}. Arithmetic: what headers would leave of a link bound by bytes"
    ),
    "segment.own": "own segment size",
    "segment.rest": "the rest",
    "segment.rest_equal": "the rest, at equal MSS",
    "segment.header_bytes": "header bytes, by arithmetic",
    "segment.headers": "headers, by arithmetic",
    "segment.axis": "factor on goodput, {base} = 100 %",
    "segment.figure": (
        "What a mode's own segment size makes of {base}'s goodput (upper bar), and the rest, with all modes at one "
        "segment size (lower bar); lines: intervals, which hold one at a time. Ring: what headers would leave of a "
        "link bound by bytes, by arithmetic."
    ),
    "segment.alt": (
        "Goodput of {comparisons} with {base} in two factors. Own segment size is "
        "estimated at {own}, the rest at {rest}."
    ),
    "from_to": "{low} to {high}",
    # ---- limits
    "limits.title": "Limits and warnings",
    "limits.lab": (
        "All nodes are network namespaces of one kernel and their links are veth pairs: what is compared is the CPU "
        "cost of each data path, without a network card, its offloads, or a wire. Ratios hold for this kernel and "
        "processor; a cluster has to be measured itself."
    ),
    "limits.nothing_found": "Nothing was found when the run was looked over.",
    "limits.steady": "Was the machine steady?",
    "limits.not_known": "Not known: there are no values.",
    "limits.everything": "Every comparison that was made ({n})",
    "everything.caption": "Every comparison that was made",
    "column.test": "test",
    "column.metric": "metric",
    "column.family": "family",
    "column.ratio_or_difference": "ratio or difference",
    "column.notes": "notes",
    "family.primary": "primary",
    "family.exploratory": "exploratory",
    "family.aa": "A/A",
    "findings.caption": "{findings} about this run",
    "column.weight": "weight",
    "column.what": "what",
    "column.helps": "what helps",
    "severity.serious": "serious",
    "severity.warning": "warning",
    "severity.info": "info",
    "the_whole_run": "the whole run",
    # ---- method
    "method.title": "Method",
    "method.design": "Design",
    "method.design.blocks": (
        "Randomised complete blocks. Each of {blocks} puts {deployments} in place in an "
        "order drawn with the seed {seed} "
        "and recorded before the first trial; {base} is measured in every block{twin}.{stop}"
    ),
    "method.design.twin": " and once more under a blind label",
    "method.design.stop": (
        " It stopped before block {block}, by a rule declared beforehand that looks at precision only."
    ),
    "method.trials": "Trials",
    "method.trials.each": (
        "Each deployment runs {tests}, {places}; before its first trial it is proved on the wire."
    ),
    "method.test": "{name} ({tool}, {seconds} s{streams})",
    "method.test.streams": ", {n} streams",
    "method.sample": "Sample",
    "method.sample.cell": (
        "The (block, mode) cell, one number. Seconds within a run are never counted as samples."
    ),
    "method.estimate": "Estimate",
    "method.estimate.ratio": (
        "The Hodges–Lehmann ratio to the baseline within blocks, with the exact interval "
        "of the signed-rank test, {over}."
    ),
    "method.estimate.family": "simultaneous over the {n} comparisons of the primary family",
    "method.estimate.tables": "simultaneous over each table's comparisons",
    "method.judged": "Test",
    "method.judged.by": (
        "Exact Wilcoxon signed-rank, Holm's adjustment at {alpha}; ‘the same’ needs two one-sided tests against the "
        "margin of {margin}, {when}. All else is exploratory, with Benjamini–Hochberg over it."
    ),
    "method.margin.before": "declared beforehand",
    "method.margin.after": "chosen after the data",
    "method.verdicts": "Verdicts",
    "method.verdicts.three": (
        "Different, the same, and cannot tell yet are three answers and are never mixed. Failures are results; no "
        "value is deleted for what it is."
    ),
    "trials.caption": "Trials by how they ended",
    "ended.ok": "ok",
    "ended.not_crossing": "does not cross subnets",
    "ended.failed": "failed",
    "ended.timeout": "timeout",
    "ended.bench_failed": "the bench failed",
    "ended.skipped": "skipped",
    # ---- machine
    "machine.title": "The machine",
    "machine.caption": "The machine, as recorded before the first trial",
    "column.fact": "fact",
    "column.value": "value",
    "machine.recorded_at": "recorded at (UTC)",
    "machine.kernel": "kernel",
    "machine.system": "system",
    "machine.architecture": "architecture",
    "machine.cpu": "processor",
    "machine.cpus_usable": "cores usable",
    "machine.memory_bytes": "memory",
    "machine.virtualised": "virtual machine",
    "machine.governor": "frequency governor",
    "machine.load_1min": "load before the run (1 min)",
    "machine.congestion_control_default": "congestion control, machine's default",
    "machine.congestion_controls": "congestion controls there are",
    "machine.rmem_max_bytes": "largest receive buffer",
    "machine.wmem_max_bytes": "largest send buffer",
    "machine.rps_default": "receive packet steering, default",
    "machine.root": "run as root",
    "machine.python": "Python",
    "machine.unread": "could not be read",
    "machine.absent": "not there: {names}",
    "machine.congestion_control": "congestion control in every trial",
    "machine.congestion_control.default": "the machine's default",
    "machine.pinned": "client and server pinned",
    "machine.pinned.yes": "each to a core of its own",
    "machine.settings": "settings of both ends",
    "machine.settings.none": "not recorded",
    "machine.settings.read": "{settings} (read in {n} of {m} proved deployments)",
    "or": " or ",
    # ---- proof
    "proof.title": "How each mode was proved",
    "proof.none": "There are no proofs in this run: that the modes were in effect rests on their labels alone.",
    "proof.held": (
        "{deployments} were looked at on the underlay before any number was taken; {held} of {rows} held every check."
    ),
    "proof.substitute": "{mode}: {how}.",
    "proof.departure": "Where this lab leaves the original: {departures}.",
    # ---- where the lab leaves the original of a mode
    "departure.ebpf_ipip": "where the kernel has no ipip device: a TUN named as it, with eBPF doing the encapsulation",
    "departure.wireguard_go": (
        "where the kernel has no wireguard device: wireguard-go in userspace, its TUN's queue left at the TUN's own 500"
    ),
    "departure.felix_rules": "Felix's rules are those of v3.28.5; later versions leave VXLAN's outer packets untracked",
    "departure.bird2": "Debian's BIRD 2 in place of Calico's fork of BIRD 1.6; the routes it leaves are the same",
    "departure.second_table": "the tunnel's next hops come from a second BIRD table instead of the fork's krt_tunnel",
    "departure.compose_bridge": "in same_node containers talk over the bridge, as one compose file's services do",
    "departure.one_network": (
        "no isolation chains, as there is one network only; no docker-proxy, which packets between hosts skip"
    ),
    "proofs.caption": "What was seen on the underlay before any number was taken",
    "outer.stays_on_the_node": "stays on the node",
    "outer.not_captured": "not captured",
    "outer.plain": "plain",
    "outer.ipip_(protocol_4)": "ipip (protocol 4)",
    "column.on_the_wire": "on the wire",
    "column.longest": "longest packet, B",
    "column.ttl": "TTL left of 64",
    "column.deployments": "deployments",
    "column.checks": "checks held",
    "column.said": "said of it",
    # ---- path
    "path.title": "The way of one packet",
    "path.caption": (
        "{where}: one packet of {length} B, IP header included, seen on every device it passed, and its length there. "
        "Thick frame: inside another packet. The ports of the wire between the nodes are left out."
    ),
    "path.figure": "{mode}: one packet of {length} B from {client} to {server}{fate}",
    "carrier.ipip": "IP in IP",
    "carrier.vxlan": "VXLAN",
    "carrier.udp": "UDP",
    "carrier.wireguard": "WireGuard",
    "carrier.": "headers",
    "path.added": "{n} B of {carrier} added",
    "path.removed": "{n} B of {carrier} removed",
    "path.plus": "+{n} B {carrier}",
    "path.minus": "−{n} B {carrier}",
    # ---- reproduce
    "reproduce.title": "How to reproduce",
    "reproduce.commands": (
        "Two commands: the first sets up what is needed and runs the default study; the second runs this very study "
        "again, in the same order, from the file in the run directory."
    ),
    "reproduce.run": "run",
    "reproduce.seed": "seed",
    "reproduce.plan_hash": "order of trials, SHA-256",
    "reproduce.study_hash": "study, SHA-256",
    "reproduce.raw": "Raw files",
    "reproduce.again": (
        "In the run directory. Everything but {raw} and {proof} can be made again with {command}."
    ),
    "reproduce.folders": "{folders}, one a trial: every byte the tools printed",
    "reproduce.files": "{files}, one a deployment",
    # ---- published figures
    "published.title": "What others published",
    "published.intro": (
        "Figures of the same modes by others, each under its own conditions: other machines, kernels, links and MTUs. "
        "They are a band to read by; nothing here passes or fails by them."
    ),
    "published.caption": "Published figures beside this study's ratio of the same two modes, between nodes",
    "published.ratio": "{ratio} of {base}",
    "published.by": "published: {source}",
    "ratios.published": " Ticks below a line: figures that others published, each under its own conditions.",
    "legend.published": "published by others",
    "column.published": "published",
    "column.published_ratio": "as a ratio",
    "column.here": "here",
    "column.conditions": "conditions",
    "column.source": "source",
    **CHOOSE,
}

#: What is counted: one, several.
COUNTED: dict[str, tuple[str, str]] = {
    **en_growth.COUNTED,
    "block": ("block", "blocks"),
    "randomised_block": ("randomised block", "randomised blocks"),
    "mode": ("mode", "modes"),
    "comparison": ("comparison", "comparisons"),
    "series": ("series", "series"),
    "deployment": ("deployment", "deployments"),
    "finding": ("finding", "findings"),
    "warning": ("warning", "warnings"),
    "core": ("core", "cores"),
    "trial": ("trial", "trials"),
    "row": ("row", "rows"),
    "check": ("check", "checks"),
    "folder": ("folder", "folders"),
    "file": ("file", "files"),
    "such_table": ("such table", "such tables"),
}
