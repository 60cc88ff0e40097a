"""What tells the source of compiled functions apart, alike in every process."""

import hashlib
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from numba.core.serialize import dumps

PACKAGE = Path(__file__).parents[1]

STAMP_DIGITS = 16
"""How many digits of the stamp are in the name of a kernel's file."""


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
        code = _code(function.__code__)  # of a module that was edited and reloaded, the new one
        parts.append(f"function {function.__module__} {function.__qualname__} {code}")
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
    # Its own file, if it has one, and the functions, modules and numbers that its code names.
    parts.append(_digest(function.__code__.co_filename))
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
    constants = [_code(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


@cache
def _digest(file: str | None) -> str:
    # Empty where there is no such file. A module may be compiled code, which is never read.
    if file is None or not file.endswith(".py") or not Path(file).is_file():
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()
