"""How a quantity grows with a size: its exponent, whether one power law is enough, and what lies beyond.

Every block measures all sizes, so every block has a law of its own; the blocks' laws are the sample. A law is
``alone · n^q + c · n^k``: what each of ``n`` costs while it does nothing (``q`` is 1 for a sum over all of them, 0 for
a time that a timer gives; no such part where ``q`` is None), and what grows. Where there is no such part the law is a
straight line through the logarithms. The largest sizes are held back: they are predicted from the others and then
looked at, and a law that misses them, or that bends, is not believed beyond them.

Knows numbers alone. What has a closed form (a count of sessions) is checked where it is counted and is not fitted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from cnilab.errors import DataError
from cnilab.stats.equivalence import tost_p
from cnilab.stats.ratio import Interval, check_alpha, hl_intervals, hodges_lehmann

#: A difference of exponents between the lower and the upper half of the sizes that is practically no bend.
BEND = 0.1
#: Below so many sizes, or tens' powers between the smallest and the largest measured, no law is called one.
SIZES, DECADES = 6, 1.5
#: Share of the growing part at the largest fitted size below which its exponent is not told.
SHARE = 0.1
_STEP, _MOST = 0.01, 4.0


@dataclass(frozen=True)
class Prediction:
    """What the law says of one size, and what was measured there.

    ``low`` and ``high`` hold what one more block's law would say, at the level asked for; None where fewer than two
    blocks give no spread. ``measured`` is the blocks' Hodges–Lehmann centre where the size was held back, else None.
    """

    size: float
    predicted: float
    low: float | None
    high: float | None
    measured: float | None = None

    @property
    def useful(self) -> bool:
        """Whether the interval's ends are within a factor of a hundred of each other."""
        return self.low is None or self.high is None or self.high <= 100 * self.low

    @property
    def inside(self) -> bool | None:
        """Whether what was measured lies where it was predicted; None where there is nothing to say."""
        if self.measured is None or self.low is None or self.high is None:
            return None
        return bool(self.low <= self.measured <= self.high)


@dataclass(frozen=True)
class Growth:
    """A quantity's law.

    Parameters
    ----------
    exponent
        Of the growing part: Hodges–Lehmann over the blocks' exponents with its exact interval. None where the growing
        part is too small a share of what was measured to have one.
    alone, share
        The blocks' median of the part that does not grow (per size to the power ``q``), and of the growing part's share
        at the largest fitted size.
    bend
        Exponent of the upper half of the sizes less that of the lower, beyond the law; its interval is at 1 - 2 alpha.
    p_straight
        p of the two one-sided tests that the bend is within ±0.1.
    predictions
        Held-back sizes first, then those beyond.
    sizes, n
        Fitted sizes, and blocks that have a value at each of them.
    law_holds
        True: no bend, and every held-back size is where it was predicted. False: one of both is refuted. None: too few
        sizes, decades or blocks to say.
    """

    exponent: Interval | None
    alone: float
    share: float
    bend: Interval
    p_straight: float
    predictions: tuple[Prediction, ...]
    sizes: tuple[float, ...]
    n: int
    law_holds: bool | None


def grow(
    sizes: Sequence[float],
    values: np.ndarray,
    *,
    held_back: Sequence[float] = (),
    beyond: Sequence[float] = (),
    q: float | None = None,
    alpha: float = 0.05,
) -> Growth:
    """Fit a law to every block and look at the held-back sizes.

    Parameters
    ----------
    sizes
        Shape (m,), all different, above 0.
    values
        Shape (B, m), positive; NaN where a block lacks a size. A block that lacks a fitted size is left out and not
        counted in ``n``.
    held_back
        Those of ``sizes`` that are predicted, not fitted.
    beyond
        Sizes to be predicted that were not measured.
    q
        Power of the size with which the part grows that is there without any growth; None: there is none.
    alpha
        One minus the confidence of intervals.

    Raises
    ------
    DataError
        If shapes do not fit, a value is not positive, or fewer than three sizes or no whole block remain.

    Examples
    --------
    >>> n = np.array([4.0, 8, 16, 32, 64, 128])
    >>> round(grow(n, np.array([3 * n**2])).exponent.estimate, 6)
    2.0
    >>> found = grow(n, np.array([5 * n + 0.1 * n**2.5]), q=1)
    >>> round(found.exponent.estimate, 2), round(found.alone, 2)
    (2.5, 5.0)
    """
    check_alpha(alpha)
    n, y = _checked(sizes, values)
    fit = ~np.isin(n, held_back)
    whole = np.isfinite(y[:, fit]).all(axis=1)
    if fit.sum() < 3 or not whole.any():
        raise DataError(
            f"{int(fit.sum())} sizes in {int(whole.sum())} whole blocks; a law needs 3 sizes in one"
        )
    y = y[whole]
    laws = _laws(n[fit], y[:, fit], q)
    bends = _bends(n[fit], np.log(y[:, fit] / _at(laws, n[fit], q)))
    share = float(
        np.median(1 - laws.alone * n[fit].max() ** (q or 0) / _at(laws, n[fit].max(initial=0), q)[:, 0])
    )
    predictions = tuple(
        _prediction(size, np.log(_at(laws, size, q)[:, 0]), y[:, n == size], alpha)
        for size in (*held_back, *beyond)
    )
    bend = _centre(bends, 2 * alpha)
    straight = float(tost_p(bends[None, :], BEND)[0])
    enough = fit.sum() >= SIZES and np.log10(n.max() / n.min()) >= DECADES and len(y) >= 2
    return Growth(
        _centre(laws.k, alpha) if q is None or share >= SHARE else None,
        float(np.median(laws.alone)),
        share,
        bend,
        straight,
        predictions,
        tuple(map(float, n[fit])),
        len(y),
        _holds(bend, straight, predictions, alpha) if enough else None,
    )


@dataclass(frozen=True)
class _Laws:
    """One law a block: arrays of shape (B,)."""

    alone: np.ndarray
    c: np.ndarray
    k: np.ndarray


def _checked(sizes: Sequence[float], values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n, y = np.asarray(sizes, dtype=float), np.atleast_2d(np.asarray(values, dtype=float))
    if y.shape[1:] != n.shape or len(set(n)) != len(n) or (n <= 0).any():
        raise DataError(
            f"values of shape {y.shape} at sizes {n.tolist()}; a column a size, sizes different and above 0"
        )
    if (y <= 0).any() or np.isinf(y).any():
        raise DataError(
            "a value that is not above 0; a law multiplies, and takes what is measured as a ratio"
        )
    order = np.argsort(n)
    return n[order], y[:, order]


def _at(laws: _Laws, sizes: np.ndarray | float, q: float | None) -> np.ndarray:
    """Return what each block's law says, shape (B, m)."""
    n = np.atleast_1d(np.asarray(sizes, dtype=float))[None, :]
    return laws.alone[:, None] * n ** (q or 0) + laws.c[:, None] * n ** laws.k[:, None]


def _laws(n: np.ndarray, y: np.ndarray, q: float | None) -> _Laws:
    if q is None:
        x = np.log(n)
        k = _slopes(x, np.log(y))
        c = np.exp(np.log(y).mean(axis=1) - k * x.mean())
        return _Laws(np.zeros(len(y)), c, k)
    # least squares of the relative error: for each exponent of a grid both parts have their best share at once
    ks = np.arange(q + 5 * _STEP, q + _MOST, _STEP)
    a, c, error = _parts(n, y, q, np.broadcast_to(ks, (len(y), len(ks))))
    best = np.argmin(error, axis=1)
    fine = ks[best][:, None] + np.linspace(-_STEP, _STEP, 41)[None, :]
    a, c, error = _parts(n, y, q, fine)
    row, best = np.arange(len(y)), np.argmin(error, axis=1)
    return _Laws(a[row, best], c[row, best], fine[row, best])


def _parts(
    n: np.ndarray, y: np.ndarray, q: float, ks: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both parts, none below 0, and the squared relative error, shape (B, K), at exponents of that shape."""
    one = (n**q / y)[:, None, :]
    two = n[None, None, :] ** ks[:, :, None] / y[:, None, :]
    s11, s22, s12 = (one * one).sum(-1), (two * two).sum(-1), (one * two).sum(-1)
    b1, b2 = one.sum(-1), two.sum(-1)
    det = s11 * s22 - s12 * s12
    with np.errstate(divide="ignore", invalid="ignore"):
        a, c = (b1 * s22 - b2 * s12) / det, (b2 * s11 - b1 * s12) / det
    flat, steep = (c < 0) | ~np.isfinite(c), (a < 0) & (c >= 0)
    a = np.where(flat, b1 / s11, np.where(steep, 0.0, a))
    c = np.where(flat, 0.0, np.where(steep, b2 / s22, c))
    return a, c, ((a[..., None] * one + c[..., None] * two - 1) ** 2).sum(-1)


def _slopes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the least-squares slope of each row."""
    d = x - x.mean()
    return np.asarray(y @ d / (d @ d))


def _bends(n: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """Return each block's slope of the upper half of the sizes less that of the lower, the middle one in both."""
    half = (len(n) + 1) // 2
    x = np.log(n)
    return _slopes(x[-half:], residual[:, -half:]) - _slopes(x[:half], residual[:, :half])


def _centre(d: np.ndarray, alpha: float) -> Interval:
    return hodges_lehmann(d, alpha)


def _prediction(size: float, logs: np.ndarray, measured: np.ndarray, alpha: float) -> Prediction:
    """Predict one more block's law; the spread is that of the blocks' own extrapolations."""
    n, mean = len(logs), float(logs.mean())
    seen = measured[np.isfinite(measured)] if measured.size else measured
    centre = float(np.exp(hl_intervals(np.log(seen)[None, :], [alpha])[0][0])) if seen.size else None
    if n < 2:
        return Prediction(float(size), float(np.exp(mean)), None, None, centre)
    half = float(student.ppf(1 - alpha / 2, n - 1) * logs.std(ddof=1) * np.sqrt(1 + 1 / n))
    low, high = np.exp([mean - half, mean + half])
    return Prediction(float(size), float(np.exp(mean)), float(low), float(high), centre)


def _holds(bend: Interval, straight: float, predictions: Sequence[Prediction], alpha: float) -> bool | None:
    inside = [p.inside for p in predictions if p.inside is not None]
    if not all(inside) or bend.low > BEND or bend.high < -BEND:
        return False
    # a prediction so wide that nothing could miss it has confirmed nothing
    sharp = all(p.useful for p in predictions if p.inside is not None)
    return True if inside and sharp and straight <= alpha else None
