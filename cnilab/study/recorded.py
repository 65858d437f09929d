"""Treatments as schema 1 recorded them: in suffixes of a label and of a test's name; read here and nowhere else.

Runs recorded before treatments were values have ``host#aa`` for the baseline's blind twin and ``tcp_stream@equal_mss``
for a test at equal segment size, in ``meta.json``, ``plan.csv`` and the plan's hash.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnilab.study import orders
from cnilab.study.factors import Level, Treatment

if TYPE_CHECKING:
    from cnilab.study.plan import Plan
    from cnilab.study.schema import Study

_TWIN = "#aa"
_EQUAL_MSS = "@equal_mss"


def meta(recorded: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """Return a trial's meta as it is written today, whichever schema it was recorded by."""
    found = dict(recorded)
    if "label" in found:
        label = found.pop("label")
        found["treatment"] = Treatment({"mode": label.removesuffix(_TWIN)}, label.endswith(_TWIN)).to_dict()
        test, at, _ = found["test"].partition(_EQUAL_MSS)
        told = "mss" in study.factors and study.test(test).takes("mss_bytes")
        equal = bool(at) or study.mss == "equal"
        found |= {"test": test, "levels": {"mss": "equal" if equal else "as_shipped"} if told else {}}
    return found


def _label(treatment: Treatment) -> str:
    """Return the label that schema 1 gave a treatment."""
    return treatment.mode + (_TWIN if treatment.twin else "")


def _test_name(test: str, levels: Mapping[str, Level], varying: tuple[str, ...]) -> str:
    """Return the name that schema 1 gave a trial's test."""
    return test + (_EQUAL_MSS if "mss" in varying and levels.get("mss") == "equal" else "")


def plan_hash(plan: Plan) -> str:
    """Return the hash that schema 1 recorded for a plan."""
    varying = plan.study.varying
    return orders.schedule_hash(
        (t.trial_id, _label(t.treatment), t.placement, t.path, _test_name(t.test, t.levels, varying))
        for t in plan.trials
    )
