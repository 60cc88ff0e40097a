"""What the user gave a command that needs a recipe, and first checks of it.

It imports next to nothing, so help and the errors of these checks come at once.
"""

import os
import shlex
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fastclf.errors import ConfigError, RunError, nearest


class Given(NamedTuple):
    """What the user gave.

    Attributes
    ----------
    command : str
        The name of the command, for messages.
    file : Path or None
        A recipe or a data file.
    config : Path or None
        A recipe.
    targets : tuple of str
        The target columns of a data file.
    text : dict of str to str
        ``delimiter`` and ``decimal`` of a data file.
    assignments : tuple of str
        Overrides such as ``"model.C=0.5"``.
    """

    command: str
    file: Path | None = None
    config: Path | None = None
    targets: tuple[str, ...] = ()
    text: dict[str, str] = {}
    assignments: tuple[str, ...] = ()

    def check(self, is_needed: bool = True) -> None:
        """Check that there is one file, and that it exists.

        Raises
        ------
        ConfigError
            If there are two, or none although one is needed, or no such file.
        """
        if self.file is not None and self.config is not None:
            raise ConfigError(
                f"{self.file} and --config {self.config} both say what to read; leave out one of "
                "them"
            )
        path = self.config or self.file
        if path is not None:
            check_exists(path)
        elif is_needed:
            raise ConfigError(_what_to_give(self.command))


def check_exists(path: Path) -> None:
    """Check that there is a file or folder at a path.

    Raises
    ------
    ConfigError
        If there is none.
    """
    try:
        os.stat(path)
    except FileNotFoundError:
        siblings = os.listdir(path.parent) if path.parent.is_dir() else []
        raise ConfigError(f"{path}: no such file{nearest(path.name, sorted(siblings))}") from None
    except OSError:
        pass  # reading it says what is wrong


def check_unused(path: Path) -> None:
    """Check that there is no file at the path of a recipe that is to be written.

    Raises
    ------
    RunError
        If there is.
    """
    if path.is_file():
        raise RunError(f"{path} exists; name another file with -o, or overwrite it with --force")


def _what_to_give(command: str) -> str:
    """Return a message for a command that was given nothing, with a file in the current folder."""
    resumable = ", or a stopped run with --resume" if command in ("train", "tune") else ""
    message = f"name a recipe or a data file{resumable}"
    recipes = [path for path in sorted(Path().glob("*.toml")) if _has_data_table(path)]
    if len(recipes) == 1:
        return f"{message}, such as: fastclf {command} {shlex.quote(str(recipes[0]))}"
    files = [name for name in sorted(os.listdir()) if _looks_like_data(Path(name))]
    if recipes or not files:
        more = f"; there are {', '.join(map(str, recipes[:5]))}" if recipes else ""
        return f"{message}, such as: fastclf {command} FILE.csv --target COLUMN{more}"
    return f"{message}, such as: fastclf {command} {shlex.quote(files[0])} --target COLUMN"


def _has_data_table(path: Path) -> bool:
    with suppress(OSError, ValueError, RecursionError):
        return isinstance(tomllib.loads(path.read_text(encoding="utf-8-sig")).get("data"), dict)
    return False


def _looks_like_data(path: Path) -> bool:
    from fastclf.data.compressed import COMPRESSIONS
    from fastclf.data.tables import SUFFIXES

    suffix = Path(path.stem if path.suffix.lower() in COMPRESSIONS else path.name).suffix.lower()
    is_data = suffix in SUFFIXES and suffix != ".txt"  # README.txt and the like
    return is_data and not path.name.startswith(".") and path.is_file()
