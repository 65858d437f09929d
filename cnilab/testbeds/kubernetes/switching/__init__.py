"""Change the CNI mode of a cluster, and put back what was there.

One file a plugin, each with ``why_not``-able targets, a ``plan`` in words, ``switch`` and ``restore``; ``state.py``
keeps the way back in the cluster. A switch that fails is undone before its error is raised. Whether the new mode
carries the packets is not decided here: :mod:`..verify` proves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cnilab import modes
from cnilab.errors import ClusterError, TestbedError
from cnilab.testbeds.kubernetes.api import Api
from cnilab.testbeds.kubernetes.switching import calico, flannel, k3s, state

#: plugin as detected -> the file that switches it
PLUGINS: dict[str, Any] = {"flannel": flannel, "calico": calico}


@dataclass(frozen=True)
class Switched:
    """A switch that is done; ``saved_mode`` is what :func:`restore` goes back to, the first of several switches'."""

    mode: str
    seconds: float
    saved_mode: str | None


def why_not(api: Api, found: Any, mode: str, *, routed_underlay: bool = False) -> str:
    """Why a detected cluster cannot, or should not, be switched to ``mode``, or nothing.

    Parameters
    ----------
    routed_underlay
        The user's word that the routers between the nodes' subnets know the pods' routes.
    """
    target = modes.get(mode)
    if found.plugin in k3s.CONFIG:
        return f"{found.plugin} has no API to switch by; the way to do it by hand: cnilab cluster switch {target.id}"
    if found.plugin not in PLUGINS:
        return f"cnilab cannot switch {found.plugin or 'an unknown CNI'}; it switches {', '.join(PLUGINS)}"
    if target.plugin != found.plugin:
        return f"the cluster runs {found.plugin}; another plugin's mode cannot be put in its place"
    plugin = PLUGINS[found.plugin]
    return plugin.why_not(api, plugin.find(api), target.id, routed_underlay)


def plan(api: Api, found: Any, mode: str, *, routed_underlay: bool = False) -> list[str]:
    """What a switch will do, a line a step."""
    _check(api, found, mode, routed_underlay)
    plugin = PLUGINS[found.plugin]
    return plugin.plan(plugin.find(api), modes.get(mode).id)


def switch(
    api: Api,
    found: Any,
    mode: str,
    *,
    progress: Callable[[str], None] = lambda _: None,
    at_once: bool = True,
    routed_underlay: bool = False,
) -> Switched:
    """Save what is there, change the mode, wait until it is in place; on any failure put back what was there.

    Raises
    ------
    ClusterError
        With what failed, and whether the old mode is back.
    """
    _check(api, found, mode, routed_underlay)
    began = time.monotonic()
    plugin = PLUGINS[found.plugin]
    objects = plugin.find(api)
    saved = state.save(api, found.plugin, found.mode, plugin.saved_objects(objects))
    try:
        plugin.switch(api, objects, modes.get(mode).id, progress, at_once=at_once)
    except TestbedError as error:
        try:
            plugin.restore(api, saved, progress)
            left = state.forget(api)
        except TestbedError as second:
            raise ClusterError(
                f"{mode}: {error}; and putting back failed: {second}; try: cnilab cluster restore"
            ) from error
        raise ClusterError(
            f"{mode}: {error}; {saved.mode} was put back{'; ' + left if left else ''}"
        ) from error
    return Switched(mode, time.monotonic() - began, saved.mode)


def restore(api: Api, *, progress: Callable[[str], None] = lambda _: None) -> state.Saved | None:
    """Put back what was saved; None if nothing was. May be repeated until it succeeds."""
    saved = state.read(api)
    if saved is None:
        return None
    PLUGINS[saved.plugin].restore(api, saved, progress)
    left = state.forget(api)
    if left:
        raise ClusterError(f"{saved.mode} is back, but {left}")
    return saved


def bgp_sessions(api: Api, mode: str, nodes: list[str]) -> dict[str, list[dict] | None]:
    """Each node's BGP sessions, where the mode has any."""
    return calico.bgp_sessions(api, nodes) if modes.get(mode).bgp else {}


def _check(api: Api, found: Any, mode: str, routed_underlay: bool) -> None:
    if why := why_not(api, found, mode, routed_underlay=routed_underlay):
        raise ClusterError(why)
