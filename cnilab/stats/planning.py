"""How many blocks, and how many runs in each, before anything is measured.

Planning uses the noise of *differences within blocks*, because that is what the comparison will see, and an
upper limit of a pilot's noise, because a pilot is small and half of all pilots look too quiet.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.stats import chi2, nct, t

from cnilab.errors import DataError
from cnilab.stats.multiplicity import n_min
from cnilab.stats.ratio import check_alpha

#: Loss of the signed-rank procedure against the t procedure under normal noise: efficiency 3/π.
EFFICIENCY = math.pi / 3
#: Most blocks a plan ever asks for.
CEILING = 5000


def _positive(value: float, what: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise DataError(f"{what} {value!r}; it must be a finite number above 0")
    return float(value)


@lru_cache(maxsize=64)
def _unit_half_widths(alpha: float) -> np.ndarray:
    n = np.arange(2, CEILING + 1)
    return t.ppf(1 - alpha / 2, n - 1) / np.sqrt(n) * math.sqrt(EFFICIENCY)


def blocks_for_half_width(sd: float, half_width: float, alpha: float = 0.05) -> int | None:
    """Return the fewest blocks whose interval has this half-width, both on the scale compared (log ratio).

    Parameters
    ----------
    sd
        Standard deviation of the within-block differences.
    half_width
        Wanted half-width of the interval at 1 - ``alpha``.

    Returns
    -------
    int or None
        At least :func:`~cnilab.stats.multiplicity.n_min`; None where more than 5000 would be needed.

    Examples
    --------
    >>> [blocks_for_half_width(sd, 0.02) for sd in (0.02, 0.03, 0.05, 0.08)]
    [7, 12, 28, 67]
    """
    widths = _unit_half_widths(check_alpha(alpha)) * _positive(sd, "sd")
    fits = np.flatnonzero(widths <= _positive(half_width, "half_width"))
    return max(n_min(1, alpha), int(fits[0]) + 2) if len(fits) else None


def upper_sd(sd: float, n: int, confidence: float = 0.8) -> float:
    """Return the upper confidence limit of a standard deviation estimated from ``n`` blocks (n >= 2)."""
    if n < 2:
        raise DataError(f"a standard deviation from {n} block(s); it needs at least 2")
    return sd * math.sqrt((n - 1) / chi2.ppf(1 - confidence, n - 1))


def _t_power(n: int, effect: float, alpha: float) -> float:
    critical = t.ppf(1 - alpha / 2, n - 1)
    shift = effect * math.sqrt(n)
    return float(nct.sf(critical, n - 1, shift) + nct.cdf(-critical, n - 1, shift))
