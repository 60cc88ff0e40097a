"""`Recipe`, which has all tables; it is read from TOML and described by a JSON schema."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from fastclf.config.calibrate import CalibrateTable
from fastclf.config.checkpoint import CheckpointTable
from fastclf.config.data import DataTable
from fastclf.config.distill import DistillTable
from fastclf.config.model import AutoModel, MultiLabelModel, SingleLabelModel
from fastclf.config.solver import (
    KNOW_L1,
    MINIBATCH_RULES,
    AdamSolver,
    AdamWSolver,
    AutoSolver,
    EarlyStoppingTable,
    LBFGSSolver,
    NewtonSolver,
    ProximalSolver,
    SGDSolver,
)
from fastclf.config.track import TrackTable
from fastclf.config.tune import Range, TuneTable
from fastclf.errors import ConfigError
from fastclf.schema import json_schema
from fastclf.toml import Document, Table, mistake, tables_in, tags, with_default_tag


def _fit_for_a_directory(name: str) -> str:
    if not re.fullmatch(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}", name):
        raise mistake(
            "name",
            f"name = {name!r}: must be fit for a directory: 1 to 100 characters without slashes "
            "or control characters, not starting with a dot",
        )
    return name


class Recipe(Table):
    """The complete description of a training run.

    Attributes
    ----------
    name : str
        The name of the run; by default that of the recipe's file.
    seed : int
        The seed of the split, of the order of rows and of the teacher.
    data, model, solver, early_stopping, distill, calibrate, tune, track, checkpoint
        The tables.
    """

    name: Annotated[str, AfterValidator(_fit_for_a_directory)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataTable
    model: Annotated[
        AutoModel | SingleLabelModel | MultiLabelModel,
        Field(discriminator="kind"),
        with_default_tag("kind", "auto"),
    ] = AutoModel()
    solver: Annotated[
        AutoSolver
        | NewtonSolver
        | LBFGSSolver
        | ProximalSolver
        | SGDSolver
        | AdamSolver
        | AdamWSolver,
        Field(discriminator="name"),
        with_default_tag("name", "auto"),
    ] = AutoSolver()
    early_stopping: EarlyStoppingTable | None = None
    distill: DistillTable | None = None
    calibrate: CalibrateTable | None = None
    tune: TuneTable | None = None
    track: TrackTable | None = None
    checkpoint: CheckpointTable = CheckpointTable()

    @model_validator(mode="after")
    def _solver_fits(self) -> "Recipe":
        if self.early_stopping and self.solver.name not in MINIBATCH_RULES:
            raise mistake(
                "early_stopping",
                f'[early_stopping] needs a minibatch solver, and solver.name is "'
                f'{self.solver.name}"; set it to one of {", ".join(MINIBATCH_RULES)}',
            )
        if self.model.l1_ratio > 0 and self.solver.name not in KNOW_L1:
            raise mistake(
                "model.l1_ratio",
                f"model.l1_ratio = {self.model.l1_ratio} is an L1 penalty, but solver.name is "
                f'"{self.solver.name}", which has none; set it to one of {", ".join(KNOW_L1)}, '
                "or model.l1_ratio to 0.0",
            )
        return self

    @model_validator(mode="after")
    def _rows_fit_into_memory(self) -> "Recipe":
        if not self.data.stream:
            return self
        if self.distill is not None and self.distill.teacher is not None:
            raise mistake(
                "distill.teacher",
                "distill.teacher is fitted to rows in memory; train it in a run of its own on some "
                "of the rows, and name its outputs in teacher_columns or teacher_file, or set "
                "data.stream to false",
            )
        file = None if self.distill is None else self.distill.teacher_file
        if file is not None and Path(file).suffix.lower() != ".npy":
            raise mistake(
                "distill.teacher_file",
                "distill.teacher_file: with data.stream it is an NPY file, of which rows are read "
                "as they are needed; save the array with numpy.save",
            )
        return self

    @model_validator(mode="after")
    def _labels_fit(self) -> "Recipe":
        if self.distill and self.model.kind == "multilabel":
            raise mistake(
                "distill",
                '[distill] needs one label per row, but model.kind is "multilabel"; leave out one '
                "of the two",
            )
        tuned = self.calibrate is not None and self.calibrate.thresholds != "none"
        if tuned and self.model.kind in ("logistic", "softmax"):
            raise mistake(
                "calibrate.thresholds",
                f"calibrate.thresholds needs several labels per row, but model.kind is "
                f'"{self.model.kind}"; leave it out',
            )
        if tuned and isinstance(self.model, MultiLabelModel) and self.model.top_k is not None:
            raise mistake(
                "calibrate.thresholds",
                "calibrate.thresholds and model.top_k both choose the predicted labels; leave out "
                "one of them",
            )
        of_two = self.calibrate is not None and self.calibrate.threshold is not None
        if of_two and self.model.kind in ("softmax", "multilabel"):
            instead = (
                'set calibrate.thresholds to "f1", or model.threshold to a number'
                if self.model.kind == "multilabel"
                else "leave it out"
            )
            raise mistake(
                "calibrate.threshold",
                f'calibrate.threshold needs two classes, but model.kind is "{self.model.kind}"; '
                f"{instead}",
            )
        if self.distill and self.distill.teacher_columns and self.data.path is None:
            raise mistake(
                "distill.teacher_columns",
                "distill.teacher_columns names columns of a data file, so it needs data.path",
            )
        return self

    @model_validator(mode="after")
    def _searched_keys_fit(self) -> "Recipe":
        if self.tune is None:
            return self
        if self.data.stream and self.tune.holdout is None:
            raise mistake(
                "tune.holdout" if self.tune.folds is None else "tune.folds",
                "with data.stream rows are held out by a hash of their values: set tune.holdout, "
                "such as to 0.2, and leave out tune.folds",
            )
        alone = self.model_copy(update={"tune": None})
        spaces = {**self.tune.others}
        if self.tune.l1_ratio is not None:
            spaces["model.l1_ratio"] = self.tune.l1_ratio
        for key, space in spaces.items():
            for value in (space.low, space.high) if isinstance(space, Range) else space:
                own = key.removeprefix("model.") if key == "model.l1_ratio" else key
                try:
                    alone.with_keys({key: value})
                except ConfigError as problem:
                    raise mistake(f"tune.{own}", f"tune: {problem}") from None
        return self

    def with_keys(self, values: Mapping[str, Any]) -> "Recipe":
        """Return the recipe with other values of some dotted keys.

        With another ``solver.name`` or ``model.kind`` the keys that it doesn't have are left out.

        Raises
        ------
        ConfigError
            If there is no such key, or it can't have such a value.
        """
        tables: dict[str, Any] = self.model_dump()
        for key, value in values.items():
            name, _, rest = key.partition(".")
            if not rest:
                tables[name] = value
                continue
            tables[name] = {**(tables[name] or {}), rest: value}
        tables, _ = _without_foreign_keys(tables, values)
        try:
            return Document(Path(self.name), ConfigError, "", tables).parse(Recipe)
        except ConfigError as problem:
            raise ConfigError(str(problem).removeprefix(f"{Path(self.name)}: ")) from None

    def with_kind(self, kind: str, layout: Mapping[str, str] | None = None) -> "Recipe":
        """Return the recipe with the kind of model and the layout of text that the data showed.

        Parameters
        ----------
        kind : str
            The kind of model, which replaces "auto".
        layout : mapping of str to str, optional
            The keys ``delimiter`` and ``decimal`` of ``[data]``, as detected.

        Raises
        ------
        ConfigError
            If another table can't be used with this kind of model.
        """
        values = self.model_dump()
        values["model"] |= {"kind": kind}
        if self.data.path is not None:
            values["data"] |= layout or {}
        try:
            return Recipe.model_validate(values)
        except ValidationError as problems:
            raise ConfigError(f"{self.name}: {problems.errors()[0]['msg']}") from None


def load_recipe(
    path: Path,
    assignments: Iterable[str] = (),
    tell: Callable[[str], object] | None = None,
) -> Recipe:
    """Read the recipe at ``path``.

    Parameters
    ----------
    path : Path
        A TOML file.
    assignments : iterable of str
        Overrides such as ``"model.C=0.5"``; later ones win.
    tell : callable, optional
        Is called with a line about keys of the file that an override of ``solver.name`` or
        ``model.kind`` leaves out.

    Raises
    ------
    ConfigError
        If the file can't be read, or a key or a value is wrong.
    """
    document = Document.read(path, ConfigError)
    if "source" in document.values and "data" not in document.values:
        raise ConfigError(
            f"{path}: is a data set card, not a recipe; name it in a recipe, which may be as short "
            f'as: data = {{card = "{path}"}}'
        )
    document = replace(document, values={"name": path.stem, **document.values})
    return overridden(document, assignments, tell).parse(Recipe)


def overridden(
    document: Document,
    assignments: Iterable[str],
    tell: Callable[[str], object] | None = None,
) -> Document:
    """Return the document of a recipe with overrides; the arguments are those of `load_recipe`."""
    for assignment in assignments:
        document = document.override(assignment)
    values, lines = _without_foreign_keys(document.values, document.overrides)
    if tell is not None:
        for line in lines:
            tell(line)
    return replace(document, values=values)


def _without_foreign_keys(
    values: dict[str, Any], given: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    """Leave out keys that belong to another solver or kind of model than the one that was chosen.

    Parameters
    ----------
    values : dict
        The tables of a recipe.
    given : collection of str
        The dotted keys that were set along with the choice. They stay, right or wrong.

    Returns
    -------
    dict
        The tables.
    list of str
        A line for each table from which keys were left out.
    """
    kept, lines = dict(values), []
    for name, info in Recipe.model_fields.items():
        table, tag = values.get(name), info.discriminator
        if not isinstance(tag, str) or f"{name}.{tag}" not in given or not isinstance(table, dict):
            continue
        members = tables_in(info.annotation)
        chosen = [member for member in members if table[tag] in tags(member)]
        others = {key for member in members for key in member.model_fields}
        foreign = [
            key
            for key in table
            if chosen and key in others - chosen[0].model_fields.keys()
            if not {name, f"{name}.{key}"} & set(given)
        ]
        if foreign:
            kept[name] = {key: value for key, value in table.items() if key not in foreign}
            dotted = ", ".join(f"{name}.{key}" for key in foreign)
            are = "is" if len(foreign) == 1 else "are"
            lines.append(f"{dotted} {are} left out: {name} {table[tag]} has none")
    return kept, lines


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe's file, in which ``name`` is optional."""
    schema = json_schema(Recipe)
    schema["required"].remove("name")
    return schema
