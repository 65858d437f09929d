"""What a number of blocks will be able to tell, by drawing studies from recorded differences.

No bell curve is assumed: a machine with two states, or a neighbour that comes and goes, is drawn from as it was. The
recorded differences are put around zero, drawn with replacement, and each is moved a little, so that ten of them do not
give studies of ten values. Which differences were recorded, and where, is the caller's business.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnilab.errors import DataError
from cnilab.stats.blocks_needed import robust_sd
from cnilab.stats.multiplicity import n_min
from cnilab.stats.ratio import check_alpha, hl_intervals

#: Fewest recorded differences that are drawn from.
FEWEST = 4
#: Studies drawn: the 80 % quantiles are then within 3 % of themselves.
STUDIES = 1000
#: How far a drawn difference is moved, as a share of what they vary by.
_MOVED = 0.4


@dataclass(frozen=True)
class Foreseen:
    """On the scale compared; None where so few blocks could tell nothing whatever the data.

    Parameters
    ----------
    half_width
        Of the simultaneous interval, in the middle one of the studies drawn.
    difference
        The smallest true difference, either way, that is called in 80 % of them.
    same
        The smallest margin within which two equal modes are called the same in 80 % of them.
    """

    half_width: float | None
    difference: float | None
    same: float | None


def foresee(
    d: np.ndarray, blocks: int, *, m: int, alpha: float = 0.05, power: float = 0.8, seed: int = 0
) -> Foreseen:
    """Draw studies of ``blocks`` blocks and look at what they can tell.

    Parameters
    ----------
    d
        Recorded within-block differences, shape (n,), n >= 4.
    blocks
        Of the study that is planned.
    m, alpha
        Comparisons in its family and its level; the worst case of Holm, ``alpha / m``, is foreseen.
    power
        How surely a difference, or a sameness, is to be called.
    seed
        Of the drawing.

    Raises
    ------
    DataError
        If fewer than 4 differences were recorded, or one is not finite.

    Examples
    --------
    >>> told = foresee(np.random.default_rng(1).normal(0, 0.02, 20), 10, m=6)
    >>> 0.01 < told.half_width < 0.05 and told.half_width < told.difference
    True
    """
    d = np.asarray(d, dtype=float)
    if len(d) < FEWEST:
        raise DataError(f"{len(d)} recorded differences; a forecast is drawn from at least {FEWEST}")
    if blocks < n_min(m, check_alpha(alpha)):
        return Foreseen(None, None, None)
    centre, _ = hl_intervals(d, [])
    rng = np.random.default_rng(seed)
    spread = float(robust_sd(d)[0])
    drawn = rng.choice(d - centre[0], (STUDIES, blocks)) + _MOVED * spread * rng.standard_normal((STUDIES, blocks))
    drawn *= np.sqrt(len(d) / (len(d) - 1) / (1 + _MOVED**2))
    _, [(low, high), (one_low, one_high)] = hl_intervals(drawn, [alpha / m, min(2 * alpha / m, 0.999)])
    return Foreseen(
        half_width=float(np.median(high - low) / 2),
        difference=float(max(np.quantile(-low, power), np.quantile(high, power))),
        same=float(np.quantile(np.maximum(np.abs(one_low), np.abs(one_high)), power)),
    )
