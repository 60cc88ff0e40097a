"""Bundles: folders of kernels that were compiled for a level of the instruction set.

A bundle is only read, so it may be shared by users and machines, and its file system needn't be
writable. One may come with the package, in ``fastclf/_compiled``. The environment variable
FASTCLF_KERNELS names another folder of bundles to be read instead, or none if it is empty. In such
a folder each bundle has a folder of its own, which is named by the level and by the versions of
Python, Numba and llvmlite, for code of one version doesn't serve another.
"""

import os
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import llvmlite
import numba
from numba.core.registry import cpu_target

from fastclf.kernels.runtime import levels
from fastclf.kernels.runtime.levels import Level
from fastclf.kernels.runtime.source import PACKAGE, STAMP_DIGITS, package_stamp

VERSIONS = (
    f"python{sys.version_info[0]}.{sys.version_info[1]}",
    f"numba{numba.__version__}",
    f"llvmlite{llvmlite.__version__}",
)

IN_PACKAGE = PACKAGE.parent / "_compiled"


class Bundle(NamedTuple):
    """The folder of a bundle, and the level that it was compiled for."""

    level: Level
    path: Path


_written: list[Bundle] = []


def target() -> tuple[str, str, str]:
    """Return what Numba compiles for: triple, processor and features."""
    return cpu_target.target_context.codegen().magic_tuple()


def name(level: Level) -> str:
    """Return the name of a bundle's folder, for this Python and this Numba."""
    return "-".join((level.name, *VERSIONS))


def folder() -> Path | None:
    """Return the folder whose bundles may serve, or None."""
    named = os.environ.get("FASTCLF_KERNELS")
    if named is None:
        return IN_PACKAGE
    return Path(named) if named else None


@cache
def serving() -> Bundle | None:
    """Return the bundle that this process uses, or None.

    It is that of the richest level that can run here. One that has kernels of other versions of
    fastclf alone serves only if all are like that: a folder may be filled on several hosts, of
    which not all have every level.
    """
    if _written:
        return _written[0]
    place = folder()
    served = levels.served(target()) if place else []
    found = [Bundle(level, place / name(level)) for level in served]
    found = [bundle for bundle in found if _is_readable(bundle.path)]
    current = (bundle for bundle in found if any(map(is_current, bundle.path.glob("*.nbc"))))
    return next(current, found[0] if found else None)


def is_current(file: Path) -> bool:
    """Tell whether a kernel's file is of this version of fastclf."""
    return f"-{package_stamp()[:STAMP_DIGITS]}-" in file.name


def _is_readable(path: Path) -> bool:
    return os.path.isdir(path) and os.access(path, os.R_OK | os.X_OK)


def is_written() -> bool:
    """Tell whether this process adds to its bundle."""
    return bool(_written)


def write_to(place: Path) -> Bundle:
    """Add all kernels that this process compiles from now on to a bundle in a folder.

    Raises
    ------
    RuntimeError
        If the process doesn't compile for a level; see
        :attr:`fastclf.kernels.runtime.levels.Level.environment`.
    """
    level = levels.compiled_for(target())
    if level is None:
        raise RuntimeError(f"this process compiles for one processor: {target()[1]}")
    _written[:] = [Bundle(level, place / name(level))]
    serving.cache_clear()
    return _written[0]
