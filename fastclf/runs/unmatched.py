"""Warnings about categorical columns whose values the model doesn't know.

Typical causes are other spellings, other data, or codes that have lost their leading zeros.
"""

import warnings
from typing import Any

import numpy as np

from fastclf.data.text_columns import has_leading_zero
from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder
from fastclf.table import Lists, Table, as_categories, listed, quoted

_SHOWN = 5  # number of values in a warning


class Unmatched:
    """Finds columns without any value that the model knows, in rows that arrive in batches.

    It also finds codes that have lost their leading zeros, such as 501 for a known 00501.

    Parameters
    ----------
    encoder : Encoder, optional
        The encoder of the model.
    """

    def __init__(self, encoder: Encoder | None) -> None:
        columns = () if encoder is None else encoder.columns
        # Columns of which no known value has been seen so far, and examples of their values.
        self._unmatched = {
            column.name: column
            for column in columns
            if isinstance(column, CategoricalColumn) and {*column.categories} - {MISSING}
        }
        self._examples: dict[str, list[str]] = {}
        # Columns of codes with leading zeros, and an example of a code that has lost them.
        self._codes = {name: codes for name, x in self._unmatched.items() if (codes := _codes(x))}
        self._lost: dict[str, str] = {}

    def examine(self, X: Any) -> None:
        """Examine a batch of rows; only tables have categorical columns."""
        if not isinstance(X, Table):
            return
        for name in list(self._unmatched | self._codes):
            raw = X.columns.get(name)
            if raw is None or isinstance(raw, Lists):
                continue  # encoding raises the error
            texts = as_categories(raw)
            counts = np.bincount(texts.codes[~texts.missing], minlength=len(texts.names))
            names = [texts.names[code] for code in np.flatnonzero(counts).tolist()]
            self._examine_codes(name, names)
            if not names or name not in self._unmatched:
                continue
            if self._unmatched[name].matched(names) is None:
                self._examples.setdefault(name, names[:_SHOWN])
            else:
                del self._unmatched[name]

    def _examine_codes(self, name: str, values: list[str]) -> None:
        codes = self._codes.get(name, {})
        lost = next((text for text in values if text in codes), None)
        if lost is not None:
            self._lost[name] = f"{quoted(lost)}, where the training rows had {quoted(codes[lost])}"
            del self._codes[name]

    def warn(self) -> None:
        """Warn about each column that was found."""
        for name, example in self._lost.items():
            warnings.warn(
                f'column "{name}": codes have lost their leading zeros, such as {example}; write '
                'them in full, or read them as text, as by dtype={"%s": str} in pandas' % name,
                stacklevel=2,
            )
        for name, values in self._examples.items():
            if name in self._unmatched and name not in self._lost:
                known = [text for text in self._unmatched[name].categories if text != MISSING]
                warnings.warn(
                    f'column "{name}": none of its values occurred in training, such as '
                    f"{', '.join(map(quoted, values))}; the training rows had "
                    f"{listed(known)}; write the values in the same "
                    "way, or train without the column",
                    stacklevel=2,
                )


def _codes(column: CategoricalColumn) -> dict[str, str]:
    """Map each code without its leading zeros to the code, unless the model knows both."""
    codes = {text.lstrip("0") or "0": text for text in column.categories if has_leading_zero(text)}
    return {lost: code for lost, code in codes.items() if lost not in column.categories}
