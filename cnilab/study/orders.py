"""The order in which modes are measured: seeded, written down before the first trial, and hashable.

Randomisation is what licenses the tests in :mod:`cnilab.stats`: if a mode has no effect, the order inside a
block is exchangeable *because it was drawn*, whatever the noise looks like. The order of block ``b`` depends
on the study's seed and on ``b`` alone, so a study can be resumed or extended and no earlier block moves.

This module does not know what a treatment is, when a block is run, or how many there will be.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from cnilab.errors import StudyError

T = TypeVar("T", bound=Hashable)

#: Second word of the seed for Williams squares, so that they never share a stream with the plain blocks.
_WILLIAMS_STREAM = 0x57494C4C


def generator(*words: int) -> np.random.Generator:
    """Return the generator seeded by ``words``, the same on every platform.

    The bit generator is named (PCG64) rather than left to ``default_rng``, whose choice numpy may change.
    """
    if any(int(word) != word or word < 0 for word in words):
        raise StudyError(f"seed words {words!r}; each must be an integer that is not negative")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(word) for word in words])))


def _checked(treatments: Sequence[T]) -> list[T]:
    each = list(treatments)
    if not each:
        raise StudyError("no treatments to put in order; a block needs at least one")
    if len(set(each)) < len(each):
        twice = next(t for t in each if each.count(t) > 1)
        raise StudyError(f"{twice} occurs more than once; the baseline's second copy is marked as its twin")
    return each


def block_order(treatments: Sequence[T], seed: int, block: int) -> list[T]:
    """Return the random order of ``treatments`` in one complete block.

    Parameters
    ----------
    treatments
        What is measured in every block, each once, in the study's own order (it decides the draw).
    seed
        The study's seed, ``>= 0``.
    block
        The block's number, ``>= 0``.

    Returns
    -------
    list
        A permutation of ``treatments`` that depends on their number, ``seed`` and ``block`` and on nothing else.

    Raises
    ------
    StudyError
        If there are none, one is repeated, or a number is negative.

    Examples
    --------
    >>> sorted(block_order(["host", "flannel-vxlan"], seed=1, block=0))
    ['flannel-vxlan', 'host']
    """
    each = _checked(treatments)
    return [each[i] for i in generator(seed, block).permutation(len(each))]


def williams_square(k: int) -> list[list[int]]:
    """Return Williams' design for ``k`` treatments: ``k`` rows if ``k`` is even, ``2 k`` if it is odd.

    Every treatment is in every position equally often, and directly after every other one equally often, so
    what the previous mode leaves behind (first-order carry-over) falls on all modes alike.

    References
    ----------
    E. J. Williams (1949), Experimental designs balanced for the estimation of residual effects of treatments,
    Australian Journal of Scientific Research A 2, 149–168.
    """
    if k < 2:
        raise StudyError(f"a Williams square of {k} treatment(s); it needs at least 2")
    # 0, k-1, 1, k-2, … : neighbours differ by every residue once when k is even.
    first = [i // 2 if i % 2 == 0 else k - 1 - i // 2 for i in range(k)]
    rows = [[(value + shift) % k for value in first] for shift in range(k)]
    return rows if k % 2 == 0 else rows + [row[::-1] for row in rows]


def williams_orders(treatments: Sequence[T], n_blocks: int, seed: int) -> list[list[T]]:
    """Return ``n_blocks`` orders made of whole Williams squares with shuffled rows and treatments.

    Parameters
    ----------
    treatments
        What is measured in every block, at least two.
    n_blocks
        A multiple of ``k`` (even number of treatments) or ``2 k`` (odd), so that the balance is complete.
    seed
        The study's seed. Square ``q`` depends on ``seed`` and ``q`` alone: adding squares moves nothing.

    Returns
    -------
    list of list
        One permutation of ``treatments`` per block.

    Raises
    ------
    StudyError
        If ``n_blocks`` is not such a multiple; the message names the nearest ones.
    """
    each = _checked(treatments)
    square = williams_square(len(each))
    size = len(square)
    if n_blocks < size or n_blocks % size:
        near = sorted({max(size, n_blocks // size * size), (n_blocks // size + 1) * size})
        raise StudyError(
            f"blocks: {n_blocks} with a Williams design of {len(each)} treatments; it is balanced only in "
            f"multiples of {size}: use {' or '.join(map(str, near))}, or the default randomised blocks"
        )
    orders: list[list[T]] = []
    for q in range(n_blocks // size):
        rng = generator(seed, _WILLIAMS_STREAM, q)
        which = rng.permutation(len(each))
        orders += [[each[which[i]] for i in square[row]] for row in rng.permutation(size)]
    return orders


def schedule_hash(rows: Iterable[Sequence]) -> str:
    """Return the SHA-256 of a schedule, so that the order in the data can be proved to be the one planned.

    Parameters
    ----------
    rows
        The schedule's rows in order; each a sequence of strings, integers, floats, booleans or ``None``.

    Returns
    -------
    str
        64 hexadecimal digits, over compact JSON in UTF-8.

    Raises
    ------
    StudyError
        If a value has no single JSON form (NaN, an object).
    """
    try:
        text = json.dumps(
            [list(row) for row in rows],
            ensure_ascii=False,
            separators=(",", ":"),
            allow_nan=False,
            default=_plain,
        )
    except (TypeError, ValueError) as error:
        raise StudyError(f"a schedule row cannot be hashed: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    """Turn a numpy scalar into Python's own, so that a list and a table of the same rows hash alike."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is not text, a number, a truth value or None")
