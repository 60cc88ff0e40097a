"""Dataclasses of arrays and scalars as named arrays and JSON, and back, with the same bits.

Nothing is ever executed: a class is one of those that are named here, and is given its fields as
they are. Arrays keep their order in memory, on which the bits of a product may depend, and what is
one array at two places is one array again.
"""

import types
from collections.abc import Mapping
from dataclasses import Field, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from fastclf.solvers.states import STATES

_NAMES = {kind: name for name, kind in STATES.items()}


def to_plain(value: Any, known: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], Any]:
    """Return named arrays, and a tree that JSON can hold and that refers to them.

    Parameters
    ----------
    value : object
        None, a scalar, a string, an array, a tuple, list or dict of such, or a dataclass of
        :mod:`fastclf.solvers.states`.
    known : mapping of str to object
        What isn't taken apart, but referred to by its name.

    Raises
    ------
    TypeError
        If there is anything else in it.

    Examples
    --------
    >>> arrays, tree = to_plain({"a": np.ones(2), "b": (None, 1.5)}, {})
    >>> list(arrays), from_plain(arrays, tree, {})
    (['0'], {'a': array([1., 1.]), 'b': (None, 1.5)})
    """
    writer = _Writer(known)
    tree = writer.tree(value)
    return writer.arrays, tree


def from_plain(arrays: Mapping[str, np.ndarray], tree: Any, known: Mapping[str, Any]) -> Any:
    """Return what :func:`to_plain` took apart.

    Raises
    ------
    ValueError
        If the tree is none of its trees, or a field isn't of the kind that its class declares.
    """
    try:
        return _Reader(arrays, known).value(tree)
    except (KeyError, TypeError, AttributeError, IndexError) as problem:
        raise ValueError(f"not the parts of a state ({problem})") from None


def check_alike(value: Any, first: Any) -> None:
    """Check that a state is of the same class as another, with arrays of the same shapes.

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
            check_alike(own, other)


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
        if name not in self.made:  # a copy, because what is read from a file can't be written to
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
    """Tell whether a value can be of an annotated type, as far as a look at its outside tells."""
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
        return True  # as has what needs some methods only
    return isinstance(value, origin)
