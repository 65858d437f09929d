"""Was a mode measured beside its baseline, or one after the other, so that whatever drifted looks like a difference?

Blocks in a table are labels: ten runs of one mode and then ten of another are numbered as neatly as ten randomised
blocks. Where the design is recorded there is nothing to ask. Where it is not but the times are, they tell; where
neither is there, nothing is known, and the header says so. No value is looked at.
"""

from __future__ import annotations

import numpy as np

#: Fewest joint blocks in which a pattern of times is more than an accident.
FEWEST = 3


def one_after_the_other(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two modes were measured apart, by when each was measured in each block.

    Parameters
    ----------
    a, b
        Seconds, shape (n blocks,); NaN where a block has none.

    Returns
    -------
    bool
        True where all of one mode precedes all of the other, or where the mean time between the two within a block is
        longer than the mean time from a block to the next. False with fewer than three joint blocks, or where all
        times are one.

    Examples
    --------
    >>> import numpy as np
    >>> one_after_the_other(np.arange(0, 10), np.arange(10, 20))
    True
    >>> one_after_the_other(np.arange(0, 20, 2), np.arange(1, 21, 2))
    False
    """
    both = ~(np.isnan(a) | np.isnan(b))
    if both.sum() < FEWEST:
        return False
    a, b = a[both], b[both]
    if max(a.max(), b.max()) == min(a.min(), b.min()):
        return False
    if a.max() < b.min() or b.max() < a.min():
        return True
    middle = np.sort((a + b) / 2)
    return bool(np.abs(a - b).mean() > np.diff(middle).mean())
