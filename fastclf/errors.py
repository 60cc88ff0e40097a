"""The exceptions that fastclf raises on purpose.

::

    FastclfError                     base class; the command line prints its message as one line
    ├── InputError (ValueError)      an argument or array that can't be used
    ├── ConfigError (ValueError)     a recipe: unknown key, bad value, bad TOML
    ├── DataError (ValueError)       a dataset card or file
    ├── ModelFileError (ValueError)  a model file that is damaged or not ours
    └── RunError                     a run directory that can't be written or read

Scikit-learn's own ``NotFittedError`` and ``ConvergenceWarning`` are used where it would use them.
"""

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

_LINE_ENDS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return text with control characters as escapes, so that a terminal doesn't obey them.

    Tabs and line ends stay. Characters that change the direction of writing, and bytes of a path
    that aren't text, are escaped, too.

    Examples
    --------
    >>> from fastclf.errors import printable
    >>> print(printable("\x1b[31mred"))
    \x1b[31mred
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


class FastclfError(Exception):
    """Base of all errors raised on purpose; the message names the cause and the remedy.

    The message is one printable line, even if it quotes arbitrary data.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(_LINE_ENDS.sub(" ", message)))


class InputError(FastclfError, ValueError):
    """An argument or an array can't be used as given."""


class ConfigError(FastclfError, ValueError):
    """A recipe has an unknown key, a bad value or a syntax error."""


class DataError(FastclfError, ValueError):
    """A dataset card or a data file can't be used."""


class ModelFileError(FastclfError, ValueError):
    """A model file is damaged, truncated or was not written by fastclf."""


class RunError(FastclfError):
    """A run directory can't be created, written or read."""


@contextmanager
def located(place: object, once: bool = False) -> Iterator[None]:
    """Put a place, such as a key or a file, before the message of a `DataError` of the block.

    With ``once`` a message that begins with the place already is left unchanged.
    """
    try:
        yield
    except DataError as problem:
        named = once and str(problem).startswith(str(place))
        raise DataError(str(problem) if named else f"{place}: {problem}") from None


def nearest(word: str, choices: list[str]) -> str:
    """Return ``" (did you mean X?)"`` for the choice most similar to ``word``, or ``""``.

    Case is ignored.
    """
    lower = {choice.casefold(): choice for choice in reversed(choices)}
    matches = difflib.get_close_matches(word.casefold(), list(lower), n=1)
    return f" (did you mean {lower[matches[0]]}?)" if matches else ""
