"""How many blocks, and how many runs in each, before anything is measured.

Planning uses the noise of *differences within blocks*, because that is what the comparison will see, and an
upper limit of a pilot's noise, because a pilot is small and half of all pilots look too quiet.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.stats import chi2, nct, norm, t

from cnilab.errors import DataError
from cnilab.stats.multiplicity import n_min
from cnilab.stats.ratio import check_alpha

#: Loss of the signed-rank procedure against the t procedure under normal noise: efficiency 3/π.
EFFICIENCY = math.pi / 3
#: Width of the middle half of averages of two values of standard deviation one.
_MIDDLE_HALF = math.sqrt(2) * 0.6744897501960817
#: Share of a standard deviation that is no more than the last bits of logarithms.
_BITS = 1e-9
#: Most blocks a plan ever asks for.
CEILING = 5000


def _positive(value: float, what: str) -> float:
    if not (math.isfinite(value) and value > 0):
        raise DataError(f"{what} {value!r}; it must be a finite number above 0")
    return float(value)


@lru_cache(maxsize=256)
def _normal(probability: float) -> float:
    return float(norm.ppf(probability))


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
    return sd * _upper(n, confidence)


@lru_cache(maxsize=256)
def _upper(n: int, confidence: float) -> float:
    return math.sqrt((n - 1) / chi2.ppf(1 - confidence, n - 1))


def robust_sd(d: np.ndarray) -> np.ndarray:
    """Return what rows of differences, (R, n) with n >= 2, vary by, whatever one outlying block among ten does.

    The spread of the middle half of all averages of two different blocks, scaled so that it is the standard deviation
    of normal noise. One outlier is in 2/n of the averages and so outside their middle half from 9 blocks on. Where
    half of the blocks agree it is zero: then the standard deviation itself is returned.
    """
    rows = np.atleast_2d(np.asarray(d, dtype=float))
    plain = rows.std(axis=1, ddof=1)
    if rows.shape[1] < 4:
        return plain
    i, j = np.triu_indices(rows.shape[1], k=1)
    low, high = np.quantile((rows[:, i] + rows[:, j]) / 2, [0.25, 0.75], axis=1)
    robust = (high - low) / _MIDDLE_HALF
    return np.where(robust > _BITS * plain, robust, plain)


def blocks_for_sameness(
    sd: float, lam: float, *, m: int = 1, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Return the fewest blocks that show two equal modes to be the same within ``lam``, as surely as ``power``.

    Parameters
    ----------
    sd, lam
        Standard deviation of the within-block differences and the margin, on the scale compared.
    m
        Comparisons in the family; the worst case of Holm, level ``alpha / m``, is planned for.

    Returns
    -------
    int or None
        None where more than 5000 would be needed.
    """
    level, ratio = check_alpha(alpha) / m, _positive(lam, "margin") / _positive(sd, "sd")
    one_sided = _normal(1 - level)
    both = one_sided + _normal(1 - (1 - power) / 2)  # both one-sided tests must reject
    exact = EFFICIENCY * ((both / ratio) ** 2 + one_sided**2 / 2)
    return None if exact > CEILING else max(n_min(m, alpha, sides=1), math.ceil(exact))


def _t_power(n: int, effect: float, alpha: float) -> float:
    critical = t.ppf(1 - alpha / 2, n - 1)
    shift = effect * math.sqrt(n)
    return float(nct.sf(critical, n - 1, shift) + nct.cdf(-critical, n - 1, shift))


def blocks_for_power(
    sd: float, effect: float, *, m: int = 1, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Return the fewest blocks that find a true effect with this power in a family of ``m``.

    Parameters
    ----------
    sd
        Standard deviation of the within-block log ratios.
    effect
        True relative difference Δ, e.g. 0.05; tested at log(1 + Δ).
    m
        Comparisons in the family; the worst case of Holm, level ``alpha / m``, is planned for.

    Returns
    -------
    int or None
        None where more than 5000 would be needed.

    References
    ----------
    W. C. Guenther (1981), The American Statistician 35(4), for the normal quantiles' small-sample correction.
    """
    shift = math.log1p(_positive(effect, "effect")) / _positive(sd, "sd")
    if not 0 < power < 1:
        raise DataError(f"power {power!r}; it must lie between 0 and 1, e.g. 0.8")
    level = check_alpha(alpha) / m
    both = _normal(1 - level / 2) + _normal(power)
    exact = EFFICIENCY * ((both / shift) ** 2 + _normal(1 - level / 2) ** 2 / 2)
    return None if exact > CEILING else max(n_min(m, alpha), math.ceil(exact))


def detectable(sd: float, n: int, *, m: int = 1, alpha: float = 0.05, power: float = 0.8) -> float | None:
    """Return the smallest relative difference ``n`` blocks find with this power; None if n is too few."""
    if n < n_min(m, alpha):
        return None
    usable = max(2, math.floor(n / EFFICIENCY))
    level, shift = check_alpha(alpha) / m, 0.01
    while _t_power(usable, shift, level) < power:
        shift *= 1.5
    low, high = 0.0, shift
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if _t_power(usable, middle, level) >= power else (middle, high)
    return math.expm1(high * _positive(sd, "sd"))
