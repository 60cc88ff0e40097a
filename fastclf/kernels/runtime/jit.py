"""The compilation policy of every kernel, with its reasons, in one place.

* ``nogil`` and single-threaded: the thread pool runs kernels over chunks of rows.
* ``error_model="numpy"``: Python's check for a zero divisor is a branch that stops vectorisation.
* ``fastmath`` never holds ``nnan`` or ``ninf``: they let LLVM remove guards for NaN and infinity.
  Primitives are compiled with ``contract`` alone, for ``reassoc`` would fold the ``(x + M) - M``
  of a range reduction to ``x``; kernels may also reorder sums. Nor ``arcp``: with it a division
  in float32 becomes an estimate that was seen to be wrong by eight units in the last place.
* ``forceinline``: a callee that isn't inlined is optimised again in each of its callers, and all
  these versions have one name, of which the linker takes the one that was loaded first. Results
  then depend on what ran before, and on what came from the cache.
* The cache is Numba's own, but keyed by the content of *all* files of this package: Numba looks
  only at the file that holds a function, and would answer an edit of a callee with old code.
  Where no cache can be written, or an entry can't be read, the kernel is compiled afresh.
* With ``NUMBA_DISABLE_JIT=1`` nothing is compiled, for debugging: kernels are the functions that
  they were made of, and intrinsics their Python twins.
"""

import hashlib
from collections.abc import Callable
from functools import cache, wraps
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba.core import caching

CONTRACT = frozenset({"contract"})
REDUCTIONS = frozenset({"contract", "reassoc", "nsz"})


@cache
def package_stamp(folder: Path = Path(__file__).parents[1]) -> str:
    """Return a digest of the paths and contents of all Python files in `folder`, at any depth."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


class _KernelCacheImpl(caching.CompileResultCacheImpl):
    # NUMBA_CACHE_DIR, then __pycache__ beside the file, then the user's cache directory: Numba's
    # first three locators, or those that NUMBA_CACHE_LOCATOR_CLASSES names, with nothing changed
    # but the stamp.
    _locator_classes = caching.CompileResultCacheImpl._locator_classes[:3]

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        self._locator.get_source_stamp = package_stamp


class _KernelCache(caching.FunctionCache):
    _impl_class = _KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged pickle may raise anything
            self._start_afresh()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()

    def _start_afresh(self) -> None:
        # Saving reads the index again, so a damaged one must go.
        try:
            self.flush()
        except OSError:
            self.disable()


def _jit(function: Callable, fastmath: frozenset[str]) -> Any:
    if numba.config.DISABLE_JIT:
        return _interpreted(function)
    dispatcher = numba.njit(
        nogil=True, error_model="numpy", fastmath=set(fastmath), forceinline=True
    )(function)
    try:
        dispatcher._cache = _KernelCache(function)
    except RuntimeError:  # no directory can be written: keep Numba's null cache
        pass
    return dispatcher


def _interpreted(function: Callable) -> Callable:
    # Compiled code divides by zero and overflows in silence.
    @wraps(function)
    def quiet(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return quiet


def twin(function: Callable) -> Callable:
    """Return a decorator for intrinsics: where nothing is compiled ``function`` takes their place.

    Parameters
    ----------
    function : callable
        Does the same in Python.
    """
    return lambda intrinsic: function if numba.config.DISABLE_JIT else intrinsic


def primitive(function: Callable) -> Any:
    """Compile an elementwise function whose operations must not be reordered."""
    return _jit(function, CONTRACT)


def kernel(function: Callable) -> Any:
    """Compile a loop over rows or columns; its sums may be reordered."""
    return _jit(function, REDUCTIONS)
