"""How the kernels of this process were obtained, and the time that it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from numba.core.compiler_lock import global_compiler_lock


class Obtained(NamedTuple):
    """Counts since the process began, or since an earlier moment.

    Parameters
    ----------
    bundle, cache : int
        Variants of kernels that were loaded.
    compiled : int
        Variants that were compiled.
    seconds : float
        Wall time of all that.
    """

    bundle: int
    cache: int
    compiled: int
    seconds: float

    def since(self, before: "Obtained") -> "Obtained":
        """Return what was added to earlier counts."""
        return Obtained(*(now - then for now, then in zip(self, before, strict=True)))


_counts = {"bundle": 0, "cache": 0, "compiled": 0}
_seconds = [0.0]
_begun: list[float] = []


def so_far() -> Obtained:
    """Return the counts up to now."""
    return Obtained(**_counts, seconds=_seconds[0])


def count(source: str) -> None:
    """Count a variant: "bundle", "cache" or "compiled"."""
    _counts[source] += 1


@contextmanager
def timed() -> Iterator[None]:
    """Count the time of a block in which a kernel is obtained; such blocks may be nested."""
    with global_compiler_lock:  # one thread at a time
        if _begun:
            yield
            return
        _begun.append(time.perf_counter())
        try:
            yield
        finally:
            _seconds[0] += time.perf_counter() - _begun.pop()
