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
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from numba.core import caching
from numba.core.serialize import dumps

PACKAGE = Path(__file__).parents[1]


@cache
def package_stamp(folder: Path = PACKAGE) -> str:
    """Return a digest of the paths and contents of all Python files in `folder`, at any depth."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder).as_posix()}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def description(value: Any) -> str:
    """Return what tells a value apart that compiled code depends on, alike in every process.

    Parameters
    ----------
    value : object
        A function, compiled or not, or a constant.
    """
    parts: list[str] = []
    _describe(value, parts, set())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _describe(value: Any, parts: list[str], seen: set[int]) -> None:
    function = getattr(value, "py_func", value)
    if isinstance(function, ModuleType):
        parts.append(f"module {function.__name__} {_digest(getattr(function, '__file__', None))}")
    elif isinstance(function, FunctionType):
        parts.append(f"function {function.__module__} {function.__qualname__}")
        if id(function) in seen:
            return
        seen.add(id(function))
        for cell in function.__closure__ or ():
            _describe(cell.cell_contents, parts, seen)
        if not Path(function.__code__.co_filename).is_relative_to(PACKAGE):
            _describe_from_elsewhere(function, parts, seen)
    elif isinstance(value, tuple):
        parts.append(f"tuple {type(value).__qualname__} {len(value)}")
        for part in value:
            _describe(part, parts, seen)
    else:
        parts.append(f"constant {hashlib.sha256(dumps(value)).hexdigest()}")


def _describe_from_elsewhere(function: FunctionType, parts: list[str], seen: set[int]) -> None:
    # Its own file, and the functions, modules and numbers that its code names.
    parts.append(_digest(function.__code__.co_filename) or _code(function.__code__))
    for name in _names(function.__code__):
        value = function.__globals__.get(name)
        own = getattr(value, "py_func", value)
        if isinstance(own, FunctionType | ModuleType | bool | int | float | str):
            parts.append(name)
            _describe(value, parts, seen)


def _names(code: CodeType) -> list[str]:
    names = list(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names += _names(constant)
    return names


def _code(code: CodeType) -> str:
    # Of a function without a file, as in a notebook.
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"code {code.co_code.hex()} {constants}"


@cache
def _digest(file: str | None) -> str:
    # Empty where there is no such file. A module may be compiled code, which is never read.
    if file is None or not file.endswith(".py") or not Path(file).is_file():
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


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


class KernelCache(caching.FunctionCache):
    """The cache of one kernel.

    Parameters
    ----------
    function : callable

    Raises
    ------
    RuntimeError
        If no directory can be written.
    """

    _impl_class = _KernelCacheImpl

    def __init__(self, function: Callable) -> None:
        super().__init__(function)
        stamp = self._cache_file._source_stamp
        self._cache_file = _DataFiles(self._cache_path, self._impl.filename_base, stamp)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what is stored for a signature, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a damaged pickle may raise anything
            self._start_afresh()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store what was compiled for a signature, if that can be done."""
        try:
            super().save_overload(sig, data)
        except OSError:
            self.disable()

    def _index_key(self, sig: Any, codegen: Any) -> tuple:
        code = hashlib.sha256(self._py_func.__code__.co_code).hexdigest()
        return sig, codegen.magic_tuple(), (code, description(self._py_func))

    def _start_afresh(self) -> None:
        # Saving reads the index again, so a damaged one must go.
        try:
            self.flush()
        except OSError:
            self.disable()
