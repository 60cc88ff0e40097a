"""The cache of compiled kernels on disk: Numba's own, with keys that notice every edit.

Numba's key of a function is its file's time stamp, its byte code and its pickled closure. That is
too little, because an edit of a callee in another file goes unnoticed; and too much, because a
compiled function that is closed over is pickled differently in each process. Here the stamp is the
content of *all* files of the package of kernels, and the key describes what a function closes over
by names that are the same in every process. A function from elsewhere, such as a loss that a user
wrote, is described by the content of its file, too, and by what it refers to.

Where no cache can be written, or an entry can't be read, the kernel is compiled afresh.
"""

import glob
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core import caching
from numba.core.serialize import dumps

from fastclf.kernels.runtime import linking
from fastclf.kernels.runtime.source import description, package_stamp


class _DataFiles(caching.IndexDataCacheFile):
    # Numba numbers the data files of a function by an index that it reads and writes without a
    # lock. Two processes that save at once may give one number to two signatures, and then the
    # code of one is loaded for the other. Here a file is named by its key, so all that can be lost
    # is an entry of the index, which is compiled again.

    def save(self, key: Any, data: Any) -> None:
        overloads = self._load_index()
        if not overloads:  # the index is new, or of an earlier version, whose files are of no use
            stem = glob.escape(self._index_name.removesuffix("nbi"))
            for path in Path(self._cache_path).glob(f"{stem}*.nbc"):
                path.unlink(missing_ok=True)
        digest = hashlib.sha256(dumps((self._source_stamp, key))).hexdigest()
        overloads[key] = self._data_name(int(digest[:15], 16))
        self._save_data(overloads[key], data)
        self._save_index(overloads)


class _KernelCacheImpl(caching.CompileResultCacheImpl):
    # NUMBA_CACHE_DIR, then __pycache__ beside the file, then the user's cache directory: Numba's
    # first three locators, or those that NUMBA_CACHE_LOCATOR_CLASSES names, with nothing changed
    # but the stamp.
    _locator_classes = caching.CompileResultCacheImpl._locator_classes[:3]

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        self._locator.get_source_stamp = package_stamp

    def reduce(self, code: Any) -> tuple:
        return linking.callees(code), super().reduce(code)

    def rebuild(self, target_context: Any, payload: tuple) -> Any:
        callees, stored = payload
        if not all(map(linking.load, callees)):
            return None
        return super().rebuild(target_context, stored)


class NoCache(caching.NullCache):
    """What a kernel has where no directory can be written.

    Parameters
    ----------
    is_inlined : bool
    """

    def __init__(self, is_inlined: bool) -> None:
        self._is_inlined = is_inlined

    def save_overload(self, sig: Any, code: Any) -> None:
        """Store nothing."""
        if not self._is_inlined:
            linking.keep_apart(code)


class KernelCache(caching.FunctionCache):
    """The cache of one kernel.

    Parameters
    ----------
    function : callable
    is_inlined : bool
        Whether its code becomes part of that of its callers.
    has_entry : bool
        Whether Python can call it.

    Raises
    ------
    RuntimeError
        If no directory can be written.
    """

    _impl_class = _KernelCacheImpl

    def __init__(self, function: Callable, is_inlined: bool, has_entry: bool) -> None:
        super().__init__(function)
        self._is_inlined = is_inlined
        self._options = (is_inlined, has_entry)
        stamp = self._cache_file._source_stamp
        self._cache_file = _DataFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is stored for a signature, or None."""
        try:
            code = super().load_overload(sig, target_context)
        except Exception:  # a damaged pickle may raise anything
            self._start_afresh()
            return None
        if code is not None and not self._is_inlined:
            linking.keep_apart(code)
        return code

    def save_overload(self, sig: Any, code: Any) -> None:
        """Store what was compiled for a signature, if that can be done."""
        try:
            super().save_overload(sig, code)
        except OSError:
            self.disable()
        if not self._is_inlined:
            linking.keep_apart(code)

    def _index_key(self, sig: Any, codegen: Any) -> tuple:
        return sig, codegen.magic_tuple(), (*self._options, description(self._py_func))

    def _start_afresh(self) -> None:
        # Saving reads the index again, so a damaged one must go.
        try:
            self.flush()
        except OSError:
            self.disable()
