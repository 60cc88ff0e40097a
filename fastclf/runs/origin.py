"""The recipe, data and versions at the start of a run. A resumed run must have the same ones."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fastclf.config import Recipe
from fastclf.data import Dataset
from fastclf.errors import RunError
from fastclf.runs.directory import MODEL
from fastclf.runs.streamed import StreamedData
from fastclf.runs.summary import versions
from fastclf.toml import dotted

_IRRELEVANT = ("checkpoint.", "track.")  # keys that don't influence the model


@dataclass(frozen=True)
class Origin:
    """The recipe, data and versions at the start of a run.

    Attributes
    ----------
    recipe : dict
        The values of the recipe by dotted key.
    data : dict
        Shape, classes and fingerprint of the data; on a cluster the number of parts, too.
    versions : dict
        The versions of fastclf and its libraries.
    """

    recipe: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str] = field(default_factory=versions)

    @classmethod
    def of(cls, recipe: Recipe, dataset: Dataset | StreamedData) -> "Origin":
        """Return the origin of a run with a recipe, whose kind of model is known, and its data."""
        data = {
            "rows": dataset.n_rows,
            "columns": len(dataset.feature_names),
            "classes": list(dataset.class_names),
            "sha256": dataset.fingerprint(),
        }
        if isinstance(dataset, StreamedData) and dataset.n_parts is not None:
            data["parts"] = dataset.n_parts
        if recipe.distill is not None and recipe.distill.teacher_run is not None:
            data["teacher_sha256"] = _digest(Path(recipe.distill.teacher_run))
        elif recipe.data.stream and recipe.distill and recipe.distill.teacher_file:
            data["teacher_sha256"] = _digest(Path(recipe.distill.teacher_file))
        return cls(_keys(recipe), data)

    @classmethod
    def read(cls, path: Path) -> "Origin | None":
        """Read an origin from a file; None if the run stopped before the file was written.

        Raises
        ------
        RunError
            If the file is damaged.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            parts = [dict(values[name]) for name in ("recipe", "data", "versions")]
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise RunError(f"{path}: can't be read: {problem.strerror}") from None
        except (ValueError, KeyError, TypeError, RecursionError):
            raise RunError(
                f"{path}: is damaged, and the run can't be resumed without it; train it again"
            ) from None
        return cls(*parts)

    def as_json(self) -> dict[str, Any]:
        """Return the contents of the file."""
        return asdict(self)

    def completed(self, recipe: Recipe) -> Recipe:
        """Return a recipe with the values that this run derived from the data.

        These are the kind of model, and the delimiter, decimal mark and encoding of a text file.
        """
        kind = self.recipe.get("model.kind")
        if recipe.model.kind != "auto" or not isinstance(kind, str):
            kind = recipe.model.kind
        seen = {key: self.recipe.get(f"data.{key}") for key in ("delimiter", "decimal", "encoding")}
        layout = {
            key: value
            for key, value in seen.items()
            if getattr(recipe.data, key) is None and isinstance(value, str)
        }
        return recipe.with_kind(kind, layout)

    def check_recipe(self, path: Path, recipe: Recipe) -> None:
        """Check that a recipe is the one with which the run in ``path`` started.

        A key that the run didn't record, as its version didn't have it, must have its default.

        Raises
        ------
        RunError
            If it isn't; the message names the keys that differ.
        """
        now = json.loads(json.dumps(_keys(recipe)))
        searched = set() if recipe.tune is None else recipe.tune.searched
        set_keys = dict(dotted(recipe.model_dump(mode="json", exclude_defaults=True)))
        tables = {key.rpartition(".")[0] for key in self.recipe}
        new = {key for key in now if key not in self.recipe and key.rpartition(".")[0] in tables}
        irrelevant = searched | (new - {*set_keys})
        changes = [
            f"{key} was {_shown(self.recipe, key)} and is now {_shown(now, key)}"
            for key in dict.fromkeys([*self.recipe, *now])
            if not key.startswith(_IRRELEVANT)
            and key not in irrelevant
            and self.recipe.get(key) != now.get(key)
        ]
        if changes:
            raise RunError(
                f"{path}: the recipe has changed since the run began: {', '.join(changes)}; change "
                "it back, or start a new run with another --out"
            )

    def check_data(self, path: Path, now: "Origin") -> None:
        """Check that the data are those with which the run in ``path`` started.

        Raises
        ------
        RunError
            If they aren't; the message says how they differ.
        """
        changes = [
            f"{name} were {_short(self.data.get(name))} and are now {_short(now.data.get(name))}"
            if name in ("rows", "columns", "classes", "parts")
            else f"{name} was {_short(self.data.get(name))} and is now {_short(now.data.get(name))}"
            for name in dict.fromkeys([*self.data, *now.data])
            if self.data.get(name) != now.data.get(name)
        ]
        if changes:
            raise RunError(
                f"{path}: the data have changed since the run began: {', '.join(changes)}; "
                "restore them, or start a new run with another --out"
            )

    def check_place(self, path: Path, on_cluster: bool) -> None:
        """Check that a run is resumed on a cluster if and only if it began on one.

        Raises
        ------
        RunError
            If that isn't so: the sums of either differ in their last bits.
        """
        began = "parts" in self.data
        if began and not on_cluster:
            raise RunError(
                f"{path}: the run began on a cluster; resume it with --scheduler ADDRESS"
            )
        if on_cluster and not began:
            raise RunError(f"{path}: the run began without --scheduler; resume it without, too")

    def other_versions(self, now: "Origin") -> list[str]:
        """Return a sentence for each version that has changed since the start of the run."""
        names = dict.fromkeys([*self.versions, *now.versions])
        return [
            f"the run began with {name} {self.versions.get(name)} and is resumed with "
            f"{now.versions.get(name)}, so its result may differ from an uninterrupted run's"
            for name in names
            if self.versions.get(name) != now.versions.get(name)
        ]


def _keys(recipe: Recipe) -> dict[str, Any]:
    return dict(dotted(recipe.model_dump(mode="json", exclude_none=True)))


def _shown(recipe: dict[str, Any], key: str) -> str:
    return json.dumps(recipe[key]) if key in recipe else "not there"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:12]}..." if isinstance(value, str) else _cut(text)


def _cut(text: str) -> str:
    return f"{text[:56]} ..."


def _digest(run: Path) -> str | None:
    try:
        with (run / MODEL if run.is_dir() else run).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None  # reading the model raises the error
