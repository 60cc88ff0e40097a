"""The exceptions that fastclf raises on purpose.

::

    FastclfError                     base of all; the command line prints it as one line
    ├── InputError (ValueError)      an argument or array that can't be used
    ├── ConfigError (ValueError)     a recipe: unknown key, bad value, bad TOML
    ├── DataError (ValueError)       a data set card or file
    ├── ModelFileError (ValueError)  a model file that is damaged or not fastclf's
    └── RunError                     a run directory that can't be written or read

Where scikit-learn raises ``NotFittedError`` or issues ``ConvergenceWarning``, fastclf does too.
"""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

_LINE_ENDS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_NEAR = 0.65  # least share of common letters of similar words
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return text with control characters as escapes, so that a terminal doesn't act on them.

    Tabs and newlines are kept. Marks that change the writing direction, and bytes of a path that
    aren't UTF-8, are escaped too.

    Examples
    --------
    >>> from fastclf.errors import printable
    >>> print(printable("\x1b[31mred"))
    \x1b[31mred
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


class FastclfError(Exception):
    r"""Base of all errors raised on purpose; the message names the cause and a remedy.

    The message is always one printable line, even if it quotes control characters from data.

    Parameters
    ----------
    message : str
        The cause and a remedy. Line ends become spaces, and other control characters escapes.

    Examples
    --------
    >>> from fastclf.errors import FastclfError, InputError
    >>> issubclass(InputError, FastclfError) and issubclass(InputError, ValueError)
    True
    >>> str(FastclfError("two\nlines"))
    'two lines'
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(_LINE_ENDS.sub(" ", message)))


class InputError(FastclfError, ValueError):
    """An argument or an array can't be used as given.

    Examples
    --------
    >>> import fastclf
    >>> from fastclf.errors import InputError
    >>> try:
    ...     fastclf.LogisticRegression(C=-1.0).fit([[0.0], [1.0]], [0, 1])
    ... except InputError as error:
    ...     print(error)
    C must be a positive number, got -1.0
    """


class ConfigError(FastclfError, ValueError):
    r"""A recipe has an unknown key, a bad value or a syntax error.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastclf.config import load_recipe
    >>> from fastclf.errors import ConfigError
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     recipe = Path(folder, "recipe.toml")
    ...     _ = recipe.write_text('[data]\nname = "iris"\nscael = "none"')
    ...     try:
    ...         load_recipe(recipe)
    ...     except ConfigError as error:
    ...         print(str(error).removeprefix(folder).partition(";")[0])
    /recipe.toml:3: unknown key data.scael (did you mean scale?)
    """


class DataError(FastclfError, ValueError):
    """A data set card or a data file can't be used.

    Examples
    --------
    >>> from fastclf.data import load_built_in
    >>> from fastclf.errors import DataError
    >>> try:
    ...     load_built_in("irsi")
    ... except DataError as error:
    ...     print(str(error).partition(";")[0])
    there is no built-in data set "irsi" (did you mean iris?)
    """


class ModelFileError(FastclfError, ValueError):
    """A model file is damaged, truncated or was not written by fastclf.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import fastclf
    >>> from fastclf.errors import ModelFileError
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "model.safetensors")
    ...     _ = path.write_bytes(b"something else")
    ...     try:
    ...         fastclf.load(path)
    ...     except ModelFileError as error:
    ...         print(str(error).removeprefix(folder).partition(" (")[0])
    /model.safetensors: not a model file of fastclf, or a damaged one
    """


class RunError(FastclfError):
    """A run directory can't be created, written or read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from fastclf.errors import RunError
    >>> from fastclf.runs.directory import open_run
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         open_run(Path(folder))
    ...     except RunError as error:
    ...         print(str(error).removeprefix(folder))
    : isn't the directory of a run, because it has no config.toml
    """


@contextmanager
def located(place: object, once: bool = False) -> Iterator[None]:
    """Prefix the message of a DataError in the block with a place, such as a key or a file.

    With ``once``, a message that already starts with the place is left unchanged.
    """
    try:
        yield
    except DataError as problem:
        has_prefix = once and str(problem).startswith(str(place))
        raise DataError(str(problem) if has_prefix else f"{place}: {problem}") from None


def nearest(word: str, choices: list[str]) -> str:
    """Return ``" (did you mean X?)"`` for the choice most similar to ``word``, ignoring case.

    The result is empty if no choice is similar. An ending such as ".csv" that both have doesn't
    make them similar.

    Examples
    --------
    >>> from fastclf.errors import nearest
    >>> nearest("Lable", ["label", "age"]), nearest("nope.csv", ["v.csv"])
    (' (did you mean label?)', '')
    """
    near = {choice: _similarity(word.casefold(), choice.casefold()) for choice in choices}
    best = max(near, key=lambda choice: near[choice], default="")
    return f" (did you mean {best}?)" if near.get(best, 0.0) >= _NEAR else ""


def _similarity(word: str, choice: str) -> float:
    (begin, dot, end), other = word.rpartition("."), choice.rpartition(".")
    if dot and (dot, end) == other[1:] and begin != other[0]:
        word, choice = begin, other[0]
    return difflib.SequenceMatcher(None, choice, word).ratio()
