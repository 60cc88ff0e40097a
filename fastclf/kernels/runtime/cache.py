"""Where the compiled variants of a kernel are kept: a bundle, and Numba's cache directory.

Each variant is a file of its own, whose name is a digest of all that its code depends on: the
content of *all* files of the package of kernels, what the function is and closes over, the types
of its arguments, what it was compiled for, settings of Numba, and versions. A function from
elsewhere, such as a loss that a user wrote, is described by the content of its file, too, and by
what it refers to. So no file is ever out of date, and as names are alike in every process, several
processes may write at once.

A file that is damaged or can't be read is as good as none: the kernel is compiled.
"""

import hashlib
import os
import pickle
import uuid
import weakref
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from numba import config
from numba.core import caching
from numba.core.compiler import CompileResult
from numba.core.runtime import rtsys
from numba.core.serialize import dumps

from fastclf.kernels.runtime import bundles, linking, obtained
from fastclf.kernels.runtime.source import STAMP_DIGITS, package_stamp

_SETTINGS = "OPT LOOP_VECTORIZE SLP_VECTORIZE USING_SVML BOUNDSCHECK DEBUGINFO_DEFAULT".split()
"""Settings of Numba that change the code that it makes."""


class _Place(caching.CompileResultCacheImpl):
    # NUMBA_CACHE_DIR, then __pycache__ beside the file, then the user's cache directory: Numba's
    # first three locators, or those that NUMBA_CACHE_LOCATOR_CLASSES names.
    _locator_classes = caching.CompileResultCacheImpl._locator_classes[:3]


class KernelCache:
    """What is kept of one kernel; it has the methods that Numba's dispatcher calls.

    Bundles have no kernels that only become part of their callers: these are needed only where a
    kernel is compiled.

    Parameters
    ----------
    kernel : Kernel
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = weakref.proxy(kernel)  # which refers to its cache
        function = kernel.py_func
        name = f"{function.__module__}.{function.__qualname__}"
        self._name = name.replace("<locals>.", "").translate({ord(c): None for c in "<>"})

    @cached_property
    def stamp(self) -> str:
        """A digest of the source of all kernels."""
        return package_stamp()

    @cached_property
    def cache_path(self) -> str | None:
        """The folder that is written, or None if there is no such place."""
        try:
            return _Place(self._kernel.py_func).locator.get_cache_path()
        except RuntimeError:
            return None

    def load_overload(self, types: Any, target_context: Any) -> Any:
        """Return what is kept for the types of the arguments, or None."""
        # What Numba needs to run code; what it needs to compile any takes a quarter of a second.
        rtsys.initialize(target_context)
        for source, find in (("bundle", self._in_bundle), ("cache", self._in_cache)):
            try:
                callees, code = pickle.loads(_read(find(types)))
                if all(map(linking.load, callees)):
                    if self._kernel.has_entry:
                        linking.declare_entry(target_context, code[1])
                    code = CompileResult._rebuild(target_context, *code)
                    obtained.count(source)
                    return code
            except Exception:  # no file, a damaged one, or whatever its content raises
                continue
        obtained.must_compile(self._is_kept)
        return None

    def save_overload(self, types: Any, code: Any) -> None:
        """Keep what was compiled for the types of the arguments, if that can be done."""
        obtained.count("compiled")
        if code.lifted or code.library.has_dynamic_globals:  # addresses of this process
            return
        with suppress(OSError):
            path = self._in_bundle(types) if bundles.is_written() else self._in_cache(types)
            _write(path, dumps((linking.callees(code), code._reduce())))
            if not bundles.is_written():
                self._remove_outdated(path.parent)

    def _is_kept(self) -> bool:
        return bundles.is_written() or self.cache_path is not None

    def _in_bundle(self, types: Any) -> Path:
        bundle = bundles.serving()
        if bundle is None or (self._kernel.is_inlined and not self._kernel.has_entry):
            raise FileNotFoundError
        triple, *_ = bundles.target()
        return bundle.path / self._file(types, (triple, bundle.level.name))

    def _in_cache(self, types: Any) -> Path:
        if bundles.is_written() or self.cache_path is None:
            raise FileNotFoundError
        return Path(self.cache_path) / self._file(types, bundles.target())

    def _file(self, types: Any, target: tuple) -> str:
        kernel = self._kernel
        identity = (kernel.description, kernel.is_inlined, kernel.has_entry)
        settings = [getattr(config, name, None) for name in _SETTINGS]
        arguments = [str(one) for one in types]
        key = (self.stamp, identity, arguments, target, settings, bundles.VERSIONS)
        digest = hashlib.sha256(repr(key).encode()).hexdigest()
        return f"{self._prefix}{digest[:32]}.nbc"

    @property
    def _prefix(self) -> str:
        return f"{self._name}-{self.stamp[:STAMP_DIGITS]}-"

    def _remove_outdated(self, folder: Path) -> None:
        for path in folder.glob(f"{self._name}-*.nbc"):
            if not path.name.startswith(self._prefix):
                path.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    content = path.read_bytes()
    digest, data = content[:32], content[32:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError(f"{path} is damaged")
    return data


def _write(path: Path, data: bytes) -> None:
    # Not synced to the disk: what a crash damages is told by its digest.
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(hashlib.sha256(data).digest() + data)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
