"""Which mode to take: what is admissible, in the order of this study's evidence, and what each requirement costs.

One advice is shown alike in a terminal and a notebook (:func:`shown`); the page, which knows no reader's network,
shows what each requirement leaves and every mode's own row. Decides nothing: :mod:`cnilab.advice` does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cnilab import digits
from cnilab.admission import CAUTIONS, MESH_NODES, RULES, Constraints, Rule, admissible, refusals
from cnilab.advice import SITE, Advice, Choice, Known, Price
from cnilab.facts import Fact
from cnilab.modes import MODES
from cnilab.report.blocks import (
    Block,
    Cell,
    Chapter,
    Commands,
    Details,
    Facts,
    Heading,
    Paragraph,
    Table,
    table,
)
from cnilab.report.chapters.table import verdict
from cnilab.report.language import Language
from cnilab.report.language.about import substitutes
from cnilab.report.language.text import Said, text
from cnilab.report.record import Record

#: What the page shows one at a time, beside nothing at all.
REQUIREMENTS = ("policy", "encryption", "no_bgp", "no_vxlan", "no_ipip")
#: All that can refuse a mode.
EVERYTHING = (
    Constraints(),
    Constraints(nodes=MESH_NODES + 1),
    Constraints(subnets=2),
    *(replace(Constraints(), **{name: True}) for name in REQUIREMENTS),
)


def applies(run: Record) -> Fact | None:
    """Where something was compared."""
    return None if run.compared(run.primary) else Fact("nothing_compared")


def content(run: Record, language: Language) -> list[Block]:
    """Return what each requirement leaves, every mode's own row, the rules, and the command for one's own network."""
    known = {place: Known(run.run, place) for place in run.placements if place != "same_node"}
    if not known:
        known = {place: Known(run.run, place) for place in run.placements}
    return [
        Heading(language.word("choose.title"), "choose"),
        Paragraph(language.say("choose.intro")),
        _needs(known, language),
        _modes(known, language),
        Details(language.word("choose.rules"), (_sources(RULES, "rule", language),)),
        Details(language.word("choose.cautions"), (_sources(CAUTIONS, "caution", language),)),
        Paragraph(language.say("choose.command"), "note"),
        Commands((f"cnilab advise {run.run.path.name} --subnets 2 --encryption",)),
    ]


# ---- the page ------------------------------------------------------------------------------------------------


def _needs(known: Mapping[str, Known], language: Language) -> Table:
    """Return a line a requirement: how many modes are left, which lead, and the least that it costs."""
    rows, groups = [], []
    for place, here in known.items():
        site = Constraints(subnets=2 if place == "cross_subnet" else None)
        asked = [("", site), *((name, replace(site, **{name: True})) for name in REQUIREMENTS)]
        if site.several_subnets:
            asked.insert(1, ("routed_underlay", replace(site, routed_underlay=True)))
        for name, constraints in asked:
            left = admissible(constraints)
            rows.append(_need(name, left, here, language))
            groups.append(language.placement(place))
    base = language.mode(next(iter(known.values())).evidence.baseline)
    heads = [language.word(f"column.{c}") for c in ("requirement", "left", "leaders", "best")]
    return table(
        "choose-needs",
        language.word("choose.needs"),
        [*heads, language.word("column.ratio_to", base=base), language.word("column.verdict")],
        rows,
        groups=groups,
        right=(1, 4),
    )  # fmt: skip


def _need(name: str, left: Sequence[str], here: Known, language: Language) -> tuple[Cell, ...]:
    row = here.price(name, left).comparison
    leaders = here.leaders(left)
    cells: list[Cell] = [
        language.word(f"constraint.{name}"),
        language.word("n_of_m", n=str(len(left)), m=str(len(MODES))),
        str(language.listing([language.mode(m, here.ranks[m]["kernel_path"]) for m in leaders]))
        or digits.MISSING,
    ]
    if row is None:
        return (*cells, digits.MISSING, digits.MISSING, language.word("absent.no_rows"))
    return (
        *cells,
        str(language.mode(row["mode"], row["kernel_path"])),
        digits.ratio(row["ratio"], row["shown_low"], row["shown_high"]),
        verdict(row, language),
    )


def _modes(known: Mapping[str, Known], language: Language) -> Table:
    """Return a line a mode: its places in this study, and the requirements that rule it out."""
    heads = [
        language.word("column.mode"),
        *(language.word("column.place_in", where=_within(language.placement(place))) for place in known),
        language.word("column.ruled_out"),
    ]
    rows = []
    for name, mode in MODES.items():
        out = dict.fromkeys(code for constraints in EVERYTHING for code in refusals(mode, constraints))
        if "no_pod_network" in out:  # the others add nothing
            out = {"no_pod_network": None}
        paths = [row["kernel_path"] for here in known.values() if (row := here.ranks.get(name))]
        rows.append((
            str(language.mode(name, paths[0] if paths else None)),
            *(_place(here.place(name)[0]) for here in known.values()),
            str(language.listing([language.word(f"ruled_out.{code}") for code in out])),
        ))  # fmt: skip
    return table(
        "choose-modes", language.word("choose.all_modes"), heads, rows, right=range(1, 1 + len(known))
    )


def _sources(rules: Mapping[str, Rule], family: str, language: Language) -> Facts:
    """Return rules with their sources, which are quoted as they are."""
    return Facts(
        tuple((language.word(f"{family}.{code}"), (rule.source,)) for code, rule in rules.items()), "facts"
    )


# ---- one advice ----------------------------------------------------------------------------------------------


def shown(advice: Advice, language: Language) -> Chapter:
    """Return one advice: what was asked, what it comes to, the admissible modes, the refused ones, the prices."""
    out: list[Block] = [Paragraph(_asked(advice, language)), Paragraph(_lead(advice, language), "lead")]
    if advice.admitted:
        out.append(_admitted(advice, language))
    out.append(
        table(
            "advice-refused",
            language.word("choose.refused"),
            [language.word("column.mode"), language.word("column.refused_by")],
            [
                (row.mode, language.SEMICOLON.join(language.word(f"rule.{code}") for code in row.refused_by))
                for row in advice.refused
            ],
        )
    )
    if advice.prices and advice.evidence and advice.free and advice.together:
        base = language.mode(advice.evidence.baseline)
        where = _within(language.placement(advice.evidence.placement))
        prices = [*advice.prices]
        if len(prices) > 1:
            prices.append(advice.together)
        if not any(price.constraint in SITE for price in prices):
            prices.append(advice.free)
        out += [
            Heading(language.word("choose.prices"), level=3),
            Paragraph(language.say("choose.prices_intro", where=where, base=base), "note"),
            Facts(tuple(_priced(price, advice, language) for price in prices), "said"),
        ]
    return Chapter(tuple(out))


def _asked(advice: Advice, language: Language) -> Said:
    given = [_constraint(name, advice.constraints, language) for name in advice.constraints.given]
    said = (
        language.say("choose.given", constraints=language.listing(given))
        if given
        else language.say("choose.nothing_given")
    )
    if advice.evidence is None:
        return said
    e = advice.evidence
    noun = language.quantity(e.metric, e.stat).noun
    by = language.say(
        "choose.by", noun=noun, test=e.test, where=_within(language.placement(e.placement)),
        blocks=language.count(e.n_blocks, "block"), base=language.mode(e.baseline),
    )  # fmt: skip
    return text(said, language.SPACE, by)


def _lead(advice: Advice, language: Language) -> Said:
    """Say what it comes to, and no more than the verdicts carry."""
    if not advice.admitted:
        return language.say("choose.none_admissible")
    said: list[Said] = [
        language.say("choose.counted", n=str(len(advice.admitted)), modes=language.count(len(MODES), "mode"))
    ]
    if advice.evidence is None:
        said.append(language.say("choose.rules_alone"))
    elif not advice.leaders:
        said.append(language.say("choose.no_place"))
    elif sum(row.place is not None for row in advice.admitted) == 1:
        said.append(language.say("choose.one_place", mode=language.mode(advice.leaders[0])))
    else:
        paths = {row.mode: row.comparison["kernel_path"] for row in advice.rows if row.comparison}
        names = [language.mode(m, paths.get(m)) for m in advice.leaders]
        said.append(language.say("choose.first", mode=names[0]) if advice.leads
                    else language.say("choose.tied", modes=language.listing(names)))  # fmt: skip
        if stand_ins := [name for m, name in zip(advice.leaders, names) if substitutes(paths.get(m))]:
            said.append(language.say("choose.stand_ins", names=language.listing(stand_ins)))
        if unplaced := sum(row.place is None for row in advice.admitted):
            said.append(
                language.say("choose.some_unplaced", n=str(unplaced))
                if unplaced > 1
                else language.say("choose.one_unplaced")
            )
    return text(said[0], *(part for one in said[1:] for part in (language.SPACE, one)))


def _admitted(advice: Advice, language: Language) -> Table:
    if advice.evidence is None:
        return table(
            "advice-admissible",
            language.word("choose.admissible_rules"),
            [language.word("column.mode"), language.word("column.mind")],
            [(row.mode, _mind(row, language)) for row in advice.admitted],
        )
    base = language.mode(advice.evidence.baseline)
    return table(
        "advice-admissible",
        language.word("choose.admissible"),
        [
            language.word("column.mode"), language.word("column.place"), language.word("column.ratio_to", base=base),
            language.word("column.verdict"), language.word("column.mind"),
        ],
        [_choice(row, language) for row in advice.admitted],
        right=(1, 2),
    )  # fmt: skip


def _choice(row: Choice, language: Language) -> tuple[Cell, ...]:
    found = row.comparison
    why = language.tell(row.unplaced) if row.unplaced else ""
    if found is None:
        return row.mode, _place(row.place), digits.MISSING, why, _mind(row, language)
    return (
        str(language.mode(row.mode, found["kernel_path"])),
        _place(row.place),
        digits.ratio(found["ratio"], found["shown_low"], found["shown_high"]),
        verdict(found, language),
        language.SEMICOLON.join(filter(None, (why, _mind(row, language)))),
    )


def _mind(row: Choice, language: Language) -> str:
    """Return what is worth knowing of an admissible mode."""
    return language.SEMICOLON.join(language.word(f"caution.{code}") for code in row.cautions)


def _priced(price: Price, advice: Advice, language: Language) -> tuple[Said, tuple[Said, ...]]:
    term = _constraint(price.constraint, advice.constraints, language)
    if price.comparison is None:
        return term, (language.say("choose.unpriced"),)
    said: Said = language.sentence(price.comparison)
    free = advice.free.comparison if advice.free else None
    if (
        price.constraint not in ("", "together", *SITE)
        and free is not None
        and free["mode"] == price.comparison["mode"]
    ):
        said = text(said, language.SPACE, language.say("choose.free_too"))
    return term, (said,)


def _constraint(name: str, constraints: Constraints, language: Language) -> str:
    return language.word(f"constraint.{name}", value=constraints.to_dict().get(name))


def _place(place: tuple[int, int] | None) -> str:
    if place is None:
        return digits.MISSING
    low, high = place
    return str(low) if low == high else f"{low}–{high}"


def _within(where: str) -> str:
    """Return the name of a placement as it stands within a sentence."""
    return where[:1].lower() + where[1:]
