"""Conversion of solver states (dataclasses) to named arrays and JSON, and back, bit for bit.

Reading executes no code from the file: only the classes in `fastclf.solvers.states` are created,
without calling their ``__init__``. Arrays keep their memory order, because the rounding of a matrix
product can depend on it. An array that occurs at two places is stored once and shared again.
"""

import types
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from fastclf.solvers.states import STATES

_NAMES = {kind: name for name, kind in STATES.items()}


def pack(value: Any, known: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Any]:
    """Convert a value to named arrays, and a tree of JSON values that refers to them.

    Parameters
    ----------
    value : object
        None, a scalar, a string, an array, a dataclass of :mod:`fastclf.solvers.states`, or a
        tuple, list or dict of such values.
    known : mapping of str to object
        Objects to refer to by name instead of storing them.

    Raises
    ------
    TypeError
        If ``value`` contains anything else.

    Examples
    --------
    >>> arrays, tree = pack({"a": np.ones(2), "b": (None, 1.5)}, {})
    >>> list(arrays), unpack(arrays, tree, {})
    (['0'], {'a': array([1., 1.]), 'b': (None, 1.5)})
    """
    writer = _Writer(known)
    tree = writer.tree(value)
    return writer.arrays, tree


def unpack(arrays: Mapping[str, np.ndarray], tree: Any, known: Mapping[str, Any]) -> Any:
    """Return the value from which :func:`pack` made the arrays and the tree.

    Raises
    ------
    ValueError
        If the tree isn't one that `pack` returns, or a field doesn't have its declared type.
    """
    try:
        return _Reader(arrays, known).value(tree)
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise ValueError(f"not the parts of a state ({problem})") from None


def check_compatible(value: Any, first: Any) -> None:
    """Check that a state has the class of another one, and arrays of its shapes and dtypes.

    Raises
    ------
    ValueError
        If it isn't.
    """
    if type(value) is not type(first):
        raise ValueError(f"a {type(value).__name__}, where a {type(first).__name__} is needed")
    for field in _kept(type(first)):
        own, other = getattr(value, field.name), getattr(first, field.name)
        if isinstance(own, np.ndarray) and isinstance(other, np.ndarray):
            if (own.shape, own.dtype) != (other.shape, other.dtype):
                raise ValueError(
                    f"{field.name} of shape {own.shape} and {own.dtype}, not {other.shape} and "
                    f"{other.dtype}"
                )
        elif is_dataclass(own) and type(own) is type(other):
            check_compatible(own, other)


class _Writer:
    def __init__(self, known: Mapping[str, Any]) -> None:
        self.known = {id(value): name for name, value in known.items()}
        self.arrays: dict[str, np.ndarray] = {}
        self.seen: dict[int, dict[str, str]] = {}

    def tree(self, value: Any) -> Any:
        if id(value) in self.known:
            return {"known": self.known[id(value)]}
        if value is None or type(value) in (bool, int, float, str):
            return value
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, np.generic):
            return {"scalar": self.store(np.asarray(value))}
        if isinstance(value, tuple | list):
            return {type(value).__name__: [self.tree(item) for item in value]}
        if isinstance(value, dict):
            return {"dict": {str(key): self.tree(item) for key, item in value.items()}}
        if type(value) not in _NAMES:
            raise TypeError(f"a {type(value).__name__} can't be kept")
        parts = {field.name: self.tree(getattr(value, field.name)) for field in _kept(type(value))}
        return {"is": _NAMES[type(value)], "fields": parts}

    def array(self, value: np.ndarray) -> dict[str, str]:
        if id(value) not in self.seen:
            by_column = value.flags.f_contiguous and not value.flags.c_contiguous
            name = self.store(np.ascontiguousarray(value))
            self.seen[id(value)] = {"array": name, "order": "F" if by_column else "C"}
        return self.seen[id(value)]

    def store(self, array: np.ndarray) -> str:
        if array.dtype.kind not in "biuf":
            raise TypeError(f"an array of {array.dtype} can't be kept")
        name = str(len(self.arrays))
        self.arrays[name] = array
        return name


class _Reader:
    def __init__(self, arrays: Mapping[str, np.ndarray], known: Mapping[str, Any]) -> None:
        self.arrays = arrays
        self.known = known
        self.made: dict[str, np.ndarray] = {}

    def value(self, tree: Any) -> Any:
        if not isinstance(tree, dict):
            if isinstance(tree, list):
                raise ValueError("a list of no kind")
            return tree
        if "known" in tree:
            return self.known[tree["known"]]
        if "array" in tree:
            return self.array(tree["array"], tree["order"])
        if "scalar" in tree:
            return self.arrays[tree["scalar"]][()]
        if "tuple" in tree:
            return tuple(self.value(item) for item in tree["tuple"])
        if "list" in tree:
            return [self.value(item) for item in tree["list"]]
        if "dict" in tree:
            return {key: self.value(item) for key, item in tree["dict"].items()}
        return self.instance(STATES[tree["is"]], tree["fields"])

    def array(self, name: str, order: str) -> np.ndarray:
        if name not in self.made:  # copied, because arrays from a file are read-only
            self.made[name] = np.array(self.arrays[name], order="F" if order == "F" else "C")
        return self.made[name]

    def instance(self, kind: type, parts: dict[str, Any]) -> Any:
        hints = get_type_hints(kind)
        made: Any = object.__new__(kind)
        for field in fields(kind):
            if field.metadata.get("follows"):
                value = field.default
            else:
                value = self.value(parts[field.name])
                if not _fits(value, hints[field.name]):
                    raise ValueError(f"{kind.__name__}.{field.name} can't be {type(value)}")
            object.__setattr__(made, field.name, value)
        return made


def _kept(kind: type) -> list[Field]:
    return [field for field in fields(kind) if not field.metadata.get("follows")]


def _fits(value: Any, hint: Any) -> bool:
    """Tell whether a value can have an annotated type, without checking the items of containers."""
    origin = get_origin(hint) or hint
    if origin in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(hint))
    if origin is float:
        return isinstance(value, float | int | np.floating | np.integer)
    if origin is bool:
        return isinstance(value, bool | np.bool_)
    if origin is int:
        return isinstance(value, int | np.integer)
    if origin is Any or not isinstance(origin, type) or getattr(origin, "_is_protocol", False):
        return True  # protocols can't be checked
    return isinstance(value, origin)
