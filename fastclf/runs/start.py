"""What a command starts from: a recipe, a data file that needs one, or a stopped run."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from fastclf.config import Recipe, load_recipe
from fastclf.data.compressed import COMPRESSIONS
from fastclf.data.tables import SUFFIXES
from fastclf.errors import ConfigError
from fastclf.runs.directory import CONFIG, RECIPE, check_is_run, default_path, refuse_if_used
from fastclf.runs.draft import draft_with
from fastclf.runs.draft_text import parsed, recipe_text
from fastclf.runs.given import Given

Tell = Callable[[str], object]

_BEFORE_THE_SEARCH = (
    "# The recipe before the search of fastclf tune; config.toml has the values that it chose.\n#"
)


class Chosen(NamedTuple):
    """A recipe, and the commented text of it if it was drafted for a data file."""

    recipe: Recipe
    drafted: str | None = None


def choose(
    given: Given,
    out: Path | None,
    stopped: Path | None,
    tell: Tell,
    tuned: bool = False,
) -> tuple[Chosen, Path]:
    """Return the recipe and the directory of a new run, or of one to resume.

    Parameters
    ----------
    given : Given
    out : Path, optional
        The directory of a new run; by default one in ``runs``.
    stopped : Path, optional
        The directory of the run to resume.
    tell : callable
        Is called with lines about what was decided.
    tuned : bool
        Whether the recipe gets a ``[tune]`` table of defaults if it has none.

    Raises
    ------
    ConfigError
        If these arguments exclude each other, or the recipe can't be read.
    DataError
        If no recipe can be drafted for the data file.
    RunError
        If ``stopped`` isn't the directory of a run, or ``out`` is in use.
    """
    if stopped is not None:
        if out is not None:
            raise ConfigError("--resume continues in the run's own directory; leave out --out")
        check_is_run(stopped)
        if given.file is not None and not _is_recipe(given.file):
            raise ConfigError(f"--resume reads the run's own recipe; leave out {given.file}")
        if given.file is None and given.config is None:
            given = given._replace(config=stopped / CONFIG)
    elif out is not None:
        refuse_if_used(out)  # before a data file is read, which may take long
    chosen = choose_recipe(given, tell)
    recipe = chosen.recipe
    path = stopped or out or default_path(recipe.name)
    if chosen.drafted is not None:
        tell(f"the recipe goes to {path / RECIPE}")
    if tuned and recipe.tune is None:
        recipe = recipe.with_keys({"tune": {"holdout": 0.2} if recipe.data.stream else {}})
    drafted = chosen.drafted
    if drafted is not None and tuned:
        drafted = f"{_BEFORE_THE_SEARCH}\n{drafted}"
    return Chosen(recipe, drafted), path


def choose_recipe(given: Given, tell: Tell) -> Chosen:
    """Return the recipe that the user named, or one that is drafted for the data file.

    Parameters and errors are those of `choose`.
    """
    path = given.config or given.file
    assert path is not None  # checked before
    is_toml = path.suffix.lower() == ".toml"
    has_format = any(text.startswith("data.format=") for text in given.assignments)
    if not _is_recipe(path) or path == given.file and has_format and not is_toml:
        if given.config is not None:
            raise ConfigError(
                f"--config {path}: is a data file, not a recipe; leave out --config, as in: "
                f"fastclf {given.command} {shlex.quote(str(path))} --target COLUMN"
            )
        return _draft(given, path, tell)
    if path == given.file and not is_toml and path.exists():
        raise ConfigError(
            f"{path}: is neither a recipe, whose name ends in .toml, nor a data file of a known "
            f"format ({', '.join(SUFFIXES)}); name a recipe with another suffix by --config, or "
            "the format of a data file by --set data.format"
        )
    for key in (["target"] if given.targets else []) + [*given.text]:
        raise ConfigError(
            f"--{key} is for a data file, and {path} is a recipe; use --set data.{key}=VALUE"
        )
    return Chosen(load_recipe(path, given.assignments, tell))


def _draft(given: Given, file: Path, tell: Tell) -> Chosen:
    place = Path(RECIPE)  # in the current folder, to which paths in assignments are relative
    draft = draft_with(file, given.targets, given.text, given.assignments, place, tell)
    draft = draft.with_absolute_paths()
    for line in draft.decisions():
        tell(line)
    text = recipe_text(draft, RECIPE)
    return Chosen(parsed(text, place), text)


def _is_recipe(path: Path) -> bool:
    """Tell a recipe from a data file or a folder of them.

    Raises
    ------
    ConfigError
        If it is neither.
    """
    suffix = path.suffix.lower()
    if path.is_dir() and (path / CONFIG).is_file():
        raise ConfigError(
            f"{path}: is the directory of a run; name its recipe, {path / CONFIG}, or resume a "
            f"stopped run with --resume {path}"
        )
    if suffix == ".safetensors":
        raise ConfigError(
            f"{path}: is a model, not a recipe or a data file; its predictions are written by: "
            f"fastclf predict {path} FILE"
        )
    return suffix not in SUFFIXES and suffix not in COMPRESSIONS and not path.is_dir()
