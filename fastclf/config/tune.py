"""The table of a recipe about the search for its best keys."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from fastclf.config.fields import Count, Fraction, Positive, UpTo1
from fastclf.errors import nearest
from fastclf.toml import AS_TUPLE, Table, mistake

SEARCHED_TABLES = ("model", "solver", "early_stopping", "distill", "data")
"""Tables whose keys can be searched."""

DATA_KEYS = (
    "dates",
    "dtype",
    "impute",
    "min_frequency",
    "scale",
    "text_analyzer",
    "text_lowercase",
    "text_max_features",
    "text_min_frequency",
    "text_sublinear",
)
"""The keys of ``[data]`` that don't decide which rows and columns there are."""

Number = int | float


class LogRange(Table):
    """Numbers that are evenly spaced on a logarithmic scale.

    Attributes
    ----------
    low, high : float
        The first and the last number.
    n : int
        How many numbers there are.
    """

    low: Positive
    high: Positive
    n: Annotated[int, Field(ge=2, le=1000)] = 17

    def values(self) -> list[float]:
        """Return the numbers, from the lowest to the highest."""
        return np.geomspace(self.low, self.high, self.n).tolist()


class Range(Table):
    """All numbers between two ends.

    Attributes
    ----------
    low, high : int or float
        The ends; whole numbers are tried only if both are whole.
    log : bool
        Whether the logarithms of the numbers are spread evenly.
    """

    low: Number
    high: Number
    log: bool = False


Choices = Annotated[tuple[str | int | float | bool, ...], Field(min_length=1), AS_TUPLE]
Space = Range | Choices


class TuneTable(Table):
    """``[tune]``: the values that ``fastclf tune`` tries, and how it compares them.

    Any other key of the recipe may be searched, too, by its dotted name in quotes, as in
    ``"solver.learning_rate" = {low = 1e-4, high = 0.1, log = true}`` or
    ``"solver.batch_size" = [64, 256]``.

    Attributes
    ----------
    C : table or tuple of float
        The values of model.C: a list, or the ends of a logarithmic scale and the number of values.
    l1_ratio : tuple of float, optional
        The values of model.l1_ratio; by default only the value in [model].
    folds : int, optional
        Number of folds of the training rows; 5 by default. Each fold is held out once.
    holdout : float, optional
        The fraction of the training rows that is held out; used instead of folds.
    scoring : str
        The score on the held-out rows: a metric of evaluations, such as log_loss, accuracy or
        macro_f1, or a scorer of scikit-learn by its name.
    rule : {"best", "one_se"}
        "best" chooses the best mean score; "one_se" chooses the strongest penalty whose mean score
        is within one standard error of the best one.
    trials : int
        If other keys are searched: the number of combinations of their values that are tried, each
        with all values of C and l1_ratio.
    """

    EXAMPLE: ClassVar[tuple[str, str]] = (
        "Other keys of the recipe, by their names in quotes: a range or a list. For example:",
        '"solver.learning_rate" = {low = 1e-4, high = 0.1, log = true}',
    )

    model_config: ClassVar[ConfigDict] = {**Table.model_config, "extra": "allow"}
    __pydantic_extra__: dict[str, Space]

    C: LogRange | Annotated[tuple[Positive, ...], Field(min_length=1), AS_TUPLE] = LogRange(
        low=1e-4, high=1e4
    )
    l1_ratio: Annotated[tuple[UpTo1, ...], Field(min_length=1), AS_TUPLE] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    holdout: Fraction | None = None
    scoring: str = "log_loss"
    rule: Literal["best", "one_se"] = "best"
    trials: Count = 40

    @property
    def others(self) -> Mapping[str, Range | tuple[Any, ...]]:
        """The values to search of other keys, by dotted key in alphabetic order."""
        return dict(sorted((self.model_extra or {}).items()))

    @property
    def searched(self) -> set[str]:
        """All dotted keys that are searched."""
        ratio = set() if self.l1_ratio is None else {"model.l1_ratio"}
        return {"model.C", *ratio, *self.others}

    @property
    def n_folds(self) -> int:
        """The number of parts that are held out, one after another."""
        return 1 if self.holdout is not None else self.folds or 5

    def strengths(self) -> list[float]:
        """Return the values of C in increasing order, each once."""
        values = self.C.values() if isinstance(self.C, LogRange) else self.C
        return sorted(set(map(float, values)))

    def shares(self, own: float) -> list[float]:
        """Return the values of l1_ratio in increasing order; ``own`` is that of the model."""
        return [own] if self.l1_ratio is None else sorted(set(map(float, self.l1_ratio)))

    @model_validator(mode="before")
    @classmethod
    def _keys_with_dots(cls, values: Any) -> Any:
        right = list(cls.model_fields)
        for key in values if isinstance(values, dict) else ():
            if key not in right and "." not in key:
                raise mistake(
                    f"tune.{key}",
                    f"unknown key tune.{key}{nearest(key, right)}; [tune] takes "
                    f"{', '.join(right)}, and dotted keys of the recipe, such as "
                    '"solver.learning_rate"',
                )
        return values

    @model_validator(mode="after")
    def _known_keys(self) -> "TuneTable":
        for key, space in self.others.items():
            name = f"tune.{key}"
            table, _, rest = key.partition(".")
            if key in ("model.C", "model.l1_ratio"):
                raise mistake(name, f'tune."{key}": write tune.{rest}, without "model."')
            if table not in SEARCHED_TABLES or key in ("model.kind", "distill.teacher_params"):
                raise mistake(
                    name,
                    f'tune."{key}": can\'t be searched; keys of {", ".join(SEARCHED_TABLES)} can',
                )
            if table == "data" and rest not in DATA_KEYS:
                raise mistake(
                    name,
                    f'tune."{key}": changes the rows or the columns, so scores couldn\'t be '
                    f"compared; these keys of [data] can be searched: {', '.join(DATA_KEYS)}",
                )
            _check_range(name, f'tune."{key}"', space)
        if isinstance(self.C, LogRange):
            _check_range("tune.C", "tune.C", self.C)
        return self

    @model_validator(mode="after")
    def _can_be_compared(self) -> "TuneTable":
        if self.folds is not None and self.holdout is not None:
            raise mistake(
                "tune.holdout", "tune.folds and tune.holdout can't be used together; leave one out"
            )
        if self.rule == "one_se" and self.holdout is not None:
            raise mistake(
                "tune.rule",
                'tune.rule = "one_se" needs a standard error, which one held-out part doesn\'t '
                "have; set tune.folds instead of tune.holdout",
            )
        return self


def _check_range(key: str, shown: str, space: Any) -> None:
    if not isinstance(space, Range | LogRange):
        return
    if not space.low < space.high:
        raise mistake(key, f"{shown}: low = {space.low} must be less than high = {space.high}")
    if getattr(space, "log", False) and space.low <= 0:
        raise mistake(key, f"{shown}: low = {space.low} must be positive on a logarithmic scale")
