"""What the user gave a command that needs a recipe. It imports nothing, so that help is fast."""

from pathlib import Path
from typing import NamedTuple


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
