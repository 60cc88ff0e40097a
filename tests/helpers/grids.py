"""Grids of options, of which the default suite runs half."""

from itertools import product
from typing import Any

import pytest


def half_by_default(**levels: dict[str, Any]) -> pytest.MarkDecorator:
    """Return the full grid as a mark, with every second combination marked slow.

    What runs by default are the combinations whose places add up to an even number. With three
    factors or more, these hold each pair of levels of any two of them.

    Parameters
    ----------
    **levels : dict
        For each argument of the test its values by the names that they have in the test's id.

    Raises
    ------
    ValueError
        If there are fewer than three factors of two levels or more: pairs would be lost.

    Examples
    --------
    >>> mark = half_by_default(a={"x": 1, "y": 2}, b={"x": 1, "y": 2}, c={"x": 1, "y": 2})
    >>> [case.id for case in mark.args[1] if not case.marks]
    ['x-x-x', 'x-y-y', 'y-x-y', 'y-y-x']
    """
    if sum(len(values) > 1 for values in levels.values()) < 3:
        raise ValueError("half a grid holds each pair only if it has three factors")
    cases = []
    for choice in product(*(enumerate(values.items()) for values in levels.values())):
        places, named = zip(*choice, strict=True)
        names, values = zip(*named, strict=True)
        marks = pytest.mark.slow if sum(places) % 2 else ()
        cases.append(pytest.param(*values, marks=marks, id="-".join(names)))
    return pytest.mark.parametrize(list(levels), cases)
