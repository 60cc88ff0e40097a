"""The format of model files: safetensors, with JSON text in the metadata."""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

Arrays = dict[str, np.ndarray]


def pack(arrays: Mapping[str, np.ndarray], values: Mapping[str, Any]) -> bytes:
    """Return the content of a file with arrays, values that JSON can hold, and a checksum.

    Raises
    ------
    ValueError
        If safetensors can't hold an array.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.model_file import pack, unpack
    >>> unpack(pack({"a": np.zeros(2)}, {"b": 1}))
    ({'a': array([0., 0.])}, {'b': 1}, True)
    """
    # The checksum is inside the JSON text, because the order of metadata keys isn't defined.
    checked = {**values, "crc32": _checksum(arrays, json.dumps(values))}
    try:
        return save(dict(arrays), metadata={"fastclf": json.dumps(checked)})
    except SafetensorError as problem:
        raise ValueError(str(problem)) from None


def unpack(content: bytes) -> tuple[Arrays, dict[str, Any], bool]:
    """Return the arrays and values in the content of a file, and whether its checksum is right.

    A file without a checksum, as earlier versions wrote, counts as right.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError or RecursionError
        If the content is damaged, or isn't a model file.
    """
    try:
        arrays = load(content)
    except SafetensorError as problem:
        raise ValueError(str(problem)) from None
    # A file begins with the length of its JSON header; `load` has checked both.
    length = int.from_bytes(content[:8], "little")
    values = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["fastclf"])
    checksum = values.pop("crc32", None)
    return arrays, values, checksum in (None, _checksum(arrays, json.dumps(values)))


def check_is_text(value: Any) -> None:
    """Refuse text with lone surrogates, which JSON can hold but which can't be encoded as UTF-8.

    Raises
    ------
    ValueError
        If there is such text.
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
