"""A trained model in formats that other programs and people read."""

from pathlib import Path
from typing import Literal

from fastclf.errors import InputError

Format = Literal["onnx", "card", "coefficients"]

_PICKLES = (".pkl", ".pickle", ".joblib")
_TABLES = (".csv", ".jsonl", ".ndjson", ".parquet", ".pq")
_SUFFIXES: dict[str, Format] = {".onnx": "onnx", ".md": "card"}
_SUFFIXES |= {suffix: "coefficients" for suffix in _TABLES}


def format_of_export(path: Path | None, format: Format | None = None) -> Format:
    """Return the format in which a file is to be written: the given one, or by its suffix.

    Only coefficients can do without a file, for they can be printed.

    Raises
    ------
    InputError
        If the suffix has no format, or is that of a pickle, or there is no file.
    """
    if path is None:
        if format != "coefficients":
            raise InputError("name the file to write with -o, or print --to coefficients")
        return format
    found = format or _SUFFIXES.get(path.suffix.lower())
    if found is None and path.suffix.lower() in _PICKLES:
        raise InputError(
            f"{path}: pickles run code when they are read, so none is written; for an object of "
            "scikit-learn call fastclf.load(path).to_sklearn() in Python"
        )
    if found is None:
        raise InputError(
            f"{path}: no format has the suffix {path.suffix!r}; name a file that ends in .onnx, "
            ".md, .csv, .jsonl or .parquet, or give --to onnx, --to card or --to coefficients"
        )
    return found
