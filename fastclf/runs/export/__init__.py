"""A trained model in formats that other programs and people read."""

from pathlib import Path
from typing import Literal

from fastclf.errors import InputError

Format = Literal["onnx", "card", "sklearn"]

_SUFFIXES: dict[str, Format] = {".onnx": "onnx", ".md": "card"}


def format_of_export(path: Path, format: Format | None = None) -> Format:
    """Return the format in which a file is to be written: the given one, or by its suffix.

    Raises
    ------
    InputError
        If the suffix has no format, or scikit-learn's objects are asked for, which only a pickle
        could hold.
    """
    if format == "sklearn":
        raise InputError(
            "objects of scikit-learn are saved as pickles, which run code when they are read, so "
            "none is written; in Python call fastclf.load(path).to_sklearn()"
        )
    found = format or _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise InputError(
            f"{path}: no format has the suffix {path.suffix!r}; name a file that ends in .onnx or "
            ".md, or give --to onnx or --to card"
        )
    return found
