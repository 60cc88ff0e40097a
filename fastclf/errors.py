"""The exceptions that fastclf raises on purpose.

::

    FastclfError                     everything below; what the command line turns into one line
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


class FastclfError(Exception):
    """Base of all errors raised on purpose; its message names the culprit and the remedy.

    It is one line, whatever the data hold that it quotes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", message))


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
    """Put a place, such as a key or a file, before what errors about data in the block say.

    With ``once`` those that begin with it stay as they are.
    """
    try:
        yield
    except DataError as problem:
        named = once and str(problem).startswith(str(place))
        raise DataError(str(problem) if named else f"{place}: {problem}") from None


def nearest(word: str, choices: list[str]) -> str:
    """Return ``" (did you mean X?)"`` for the choice nearest to ``word``, or nothing.

    Upper and lower case are the same.
    """
    lower = {choice.casefold(): choice for choice in reversed(choices)}
    matches = difflib.get_close_matches(word.casefold(), list(lower), n=1)
    return f" (did you mean {lower[matches[0]]}?)" if matches else ""
