"""The bytes of a model file: arrays in the safetensors format, and a JSON text in its metadata."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

Arrays = dict[str, np.ndarray]


def pack(arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> bytes:
    """Return arrays and values that JSON can hold as the content of a file, with a checksum.

    Raises
    ------
    ValueError
        If the format can't hold them.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.model_file import pack, unpack
    >>> unpack(pack({"a": np.zeros(2)}, {"b": 1}))
    ({'a': array([0., 0.])}, {'b': 1}, True)
    """
    # The checksum is in the JSON text: safetensors writes two keys of its own in any order.
    checked = {**values, "crc32": _checksum(arrays, json.dumps(values))}
    try:
        return save(dict(arrays), metadata={"fastclf": json.dumps(checked)})
    except SafetensorError as problem:
        raise ValueError(str(problem)) from None


def unpack(content: bytes) -> tuple[Arrays, dict[str, Any], bool]:
    """Return the arrays and values in a file's content, and whether its checksum is right.

    That of a file without one, which earlier versions wrote, counts as right.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError or RecursionError
        If it is damaged, or something else.
    """
    try:
        arrays = load(content)
    except SafetensorError as problem:
        raise ValueError(str(problem)) from None
    # The content begins with the length of a JSON header; `load` has checked both.
    length = int.from_bytes(content[:8], "little")
    values = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["fastclf"])
    checksum = values.pop("crc32", None)
    return arrays, values, checksum in (None, _checksum(arrays, json.dumps(values)))


def check_is_text(value: Any) -> None:
    """Refuse names with halves of characters: JSON may hold them, and nothing else can write them.

    Raises
    ------
    ValueError
        If one is found.
    """
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"a name that isn't Unicode text: {error}") from None


def _checksum(arrays: Mapping[str, np.ndarray], text: str) -> str:
    value = zlib.crc32(text.encode())
    for name, array in sorted(arrays.items()):
        value = zlib.crc32(f"{name}:{array.dtype}:{array.shape}".encode(), value)
        value = zlib.crc32(np.ascontiguousarray(array).data, value)
    return f"{value:08x}"
