"""The interval that is shown beside a verdict: it never contradicts it.

A simultaneous interval is cut for every comparison of a family at once; a verdict is decided by Holm's steps, sameness
by two one-sided tests, and an explored row by Benjamini and Hochberg besides. Each of these may say a little more, or
less, than that interval. Drawn as it is, "the same within 5 %" would reach beyond 5 %, and "less" would reach over
"none". What is shown is, by verdict:

* *a difference*: the simultaneous interval, ending at "none" where Holm's steps have excluded the other side of it;
* *the same*: the two one-sided bounds at alpha/m, of which the claim was made, ending at the margin where Holm's steps
  have shown it;
* *a lead among many*, significant in its own table only: the interval at alpha over all that was explored, which holds
  "none" as the verdict does;
* everything else: the simultaneous interval.

Nothing is decided here.
"""

from __future__ import annotations

Ends = tuple[float, float]


def interval_shown(
    verdict: str,
    simultaneous: Ends,
    *,
    one_sided: Ends,
    among_all: Ends,
    lam: float | None,
    explored: bool,
    positive: bool,
) -> Ends:
    """Return the two ends, on the scale compared.

    Parameters
    ----------
    verdict
        A key of :data:`cnilab.verdicts.VERDICTS`.
    simultaneous, one_sided, among_all
        The intervals at alpha/m, at twice that, and at alpha over all that was explored.
    lam
        The margin; None if there is none.
    explored
        Whether the row is significant in its own table only.
    positive
        Whether the estimate is above zero.

    References
    ----------
    O. Guilbaud (2008), Biometrical Journal 50(5), for bounds that go with Holm's steps.
    """
    low, high = simultaneous
    if verdict in ("different_material", "different_size_unclear"):
        return (max(low, 0.0), high) if positive else (low, min(high, 0.0))
    if verdict in ("equivalent", "different_negligible") and lam is not None:
        low, high = max(one_sided[0], -lam), min(one_sided[1], lam)
        if verdict == "different_negligible":
            return (max(low, 0.0), high) if positive else (low, min(high, 0.0))
        return low, high
    return among_all if explored else simultaneous
