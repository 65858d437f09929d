"""Were both ends set alike in every deployment: offloads, RPS, congestion control, buffers, CPUs.

Compares what ought to be equal whatever the mode: the nodes' underlay device and the pods' own. A tunnel's
device is part of its mode and is recorded, not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from cnilab.modes import MODES
from cnilab.quality.evidence import Evidence, finding

_TUNNELS = {m.device for m in MODES.values() if m.device}


def settings_differ(e: Evidence) -> Iterator[dict]:
    """A setting that differs in the same place between deployments, a row a mode, place and setting."""
    seen: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
    for mode, where, device, name, value in compared(e.run.proofs()):
        seen.setdefault((where, device, name), []).append((mode, value))
    usual: dict[tuple[bool, str, str], Counter[str]] = {}
    for (where, device, name), values in seen.items():
        usual.setdefault((_is_pod(where), device, name), Counter()).update(v for _, v in values)
    odd: dict[tuple[str, str, str, str, str], tuple[list[str], int]] = {}
    for (where, device, name), values in seen.items():
        if len({v for _, v in values}) < 2:
            continue
        # Modes that have no pods cannot say what is usual in one; all pods together can.
        common = usual[_is_pod(where), device, name].most_common(1)[0][0]
        for (mode, value), n in Counter(values).items():
            if value != common:
                places, most = odd.get((mode, device, name, value, common), ([], 0))
                odd[mode, device, name, value, common] = ([*places, where], max(n, most))
    for (mode, device, name, value, common), (places, n) in odd.items():
        of = f" of {device}" if device else ""
        yield finding(
            "warning",
            f"{name}{of} in {', '.join(places)} was {value!r}, elsewhere {common!r} ({n} deployments): part of a "
            f"difference can be this alone",
            mode=mode,
            value=n,
            remedy="set both alike and run it again",
        )


def compared(proofs: dict[str, dict]) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield ``(mode, namespace, device or "", name, value)`` of every setting in ``proofs`` that should be equal.

    Runs recorded before settings were give nothing: not recorded, which is not the same as alike.
    """
    for proof in proofs.values():
        for where, found in (proof.get("evidence", {}).get("settings") or {}).items():
            for device, values in {"": found["values"], **found["devices"]}.items() if found else ():
                if device not in _TUNNELS:
                    yield from ((proof["mode"], where, device, name, value) for name, value in values.items())


def _is_pod(namespace: str) -> bool:
    return namespace.startswith("p")
