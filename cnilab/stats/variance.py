"""Where the noise sits: variance components of a pilot, and how many runs one deployment deserves.

The analysis-of-variance method of Kalibera and Jones, with the correction their code records: a level's own
variance is its S² less the S² (not the T²) of the level below, divided by that level's count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnilab.errors import DataError


@dataclass(frozen=True)
class Components:
    """Variance by level, lowest first (shape (levels,)).

    ``s2`` are the raw mean squares, ``t2`` each level's own part, not clamped: a negative one means that the
    level adds nothing that can be seen. ``counts`` are the repetitions of each level.
    """

    s2: tuple[float, ...]
    t2: tuple[float, ...]
    counts: tuple[int, ...]
    flags: tuple[str, ...] = ()


def components(pilot: np.ndarray) -> Components:
    """Split the variance of a balanced pilot.

    Parameters
    ----------
    pilot
        Shape (r_top, …, r_1): the highest level first, e.g. (blocks, deployments, runs). Every count at
        least 2. Use logs, centred a block, for a ratio metric.

    Raises
    ------
    DataError
        If a level has fewer than 2 repetitions, or a value is not finite.

    References
    ----------
    T. Kalibera and R. Jones (2013), Rigorous benchmarking in reasonable time, ISMM '13.
    """
    y = np.asarray(pilot, dtype=float)
    if y.ndim < 1 or min(y.shape) < 2:
        raise DataError(f"pilot of shape {y.shape}; every level needs at least 2 repetitions")
    if not np.isfinite(y).all():
        raise DataError("the pilot holds a value that is not finite; use the blocks that are complete")
    s2: list[float] = []
    means = y
    for _ in range(y.ndim):
        parent = means.mean(axis=-1, keepdims=True)
        above = math.prod(means.shape[:-1])
        s2.append(float(((means - parent) ** 2).sum() / (above * (means.shape[-1] - 1))))
        means = parent[..., 0]
    counts = y.shape[::-1]
    t2 = [s2[0], *(s2[i] - s2[i - 1] / counts[i - 1] for i in range(1, y.ndim))]
    flags = ["negative_component"] if min(t2) < 0 else []
    if not any(s2):
        flags.append("resolution_limited")
    return Components(tuple(s2), tuple(t2), tuple(int(c) for c in counts), tuple(flags))


def best_counts(parts: Components, costs: Sequence[float], most: int = 10) -> tuple[int, ...]:
    """Return how often to repeat each level below the top, lowest first, for the narrowest interval a second.

    Parameters
    ----------
    parts
        From :func:`components`.
    costs
        Seconds that one repetition of each level costs beyond those below it, lowest first; one a level.
    most
        Answer where the level above shows no variance of its own, so that the optimum is not defined.
    """
    if len(costs) != len(parts.t2) or min(costs) <= 0:
        raise DataError(
            f"costs {list(costs)!r}; one cost above 0 for each of the {len(parts.t2)} levels, lowest first"
        )
    out = []
    for i in range(len(parts.t2) - 1):
        mine, above = max(parts.t2[i], 0.0), parts.t2[i + 1]
        if above <= 0:
            out.append(most)
        else:
            out.append(min(most, max(1, math.ceil(math.sqrt(costs[i + 1] / costs[i] * mine / above)))))
    return tuple(out)
