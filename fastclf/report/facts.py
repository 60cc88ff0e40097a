"""The validated contents of a run's files, from which a report is rendered."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    RootModel,
    ValidationError,
    model_validator,
)

from fastclf.report.wording import count_text

Figure = float | None
Ends = Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)]
"""The lower and upper end of an interval."""

Count = Annotated[int, Field(ge=0, lt=2**63)]


class Facts(BaseModel):
    """Base of the models below; keys that a report doesn't show are ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True
    )


def first_mistake(problem: ValidationError) -> tuple[str, str]:
    """Return the dotted key of the first mistake in a file, and what is wrong there."""
    first = problem.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"]


class NameRow(Facts):
    """The metrics of one class or label."""

    name: str
    precision: Figure = None
    recall: Figure = None
    f1: Figure = None
    support: Count | None = None
    roc_auc: Figure = None


class Confusion(Facts):
    """The confusion matrix: a row for each true class, a column for each predicted class."""

    classes: list[str]
    counts: list[list[Count]]

    @model_validator(mode="after")
    def _square(self) -> "Confusion":
        if {len(self.classes)} != {len(self.counts), *map(len, self.counts)}:
            raise ValueError("the counts must have a row and a column for each class")
        return self


class Bin(Facts):
    """A reliability bin: the predictions whose probability is between ``low`` and ``high``.

    ``confidence`` is their mean probability, ``accuracy`` the share of them that is right.
    """

    low: FiniteFloat = Field(alias="from")
    high: FiniteFloat = Field(alias="to")
    rows: Count = Field(alias="count")
    confidence: FiniteFloat
    accuracy: FiniteFloat


class Threshold(Facts):
    """Precision, recall and F1 at each threshold, for one label or for all labels pooled."""

    name: str = ""
    precision: list[Figure]
    recall: list[Figure]
    f1: list[Figure]


class ThresholdCurves(Facts):
    """The result of `fastclf.runs.threshold_curves.threshold_curves`."""

    thresholds: list[FiniteFloat]
    micro: Threshold
    labels: list[Threshold] = []

    @model_validator(mode="after")
    def _equal_lengths(self) -> "ThresholdCurves":
        curves = [self.micro, *self.labels]
        lengths = {len(values) for c in curves for values in (c.precision, c.recall, c.f1)}
        if lengths != {len(self.thresholds)}:
            raise ValueError("every curve must have a value for each threshold")
        return self


class ThresholdCurve(Facts):
    """Precision, recall, F1 and the share of rows predicted positive at each threshold."""

    thresholds: list[FiniteFloat]
    precision: list[Figure]
    recall: list[Figure]
    f1: list[Figure]
    predicted_positive: list[Figure]

    @model_validator(mode="after")
    def _equal_lengths(self) -> "ThresholdCurve":
        curves = (self.precision, self.recall, self.f1, self.predicted_positive)
        if {len(values) for values in curves} != {len(self.thresholds)}:
            raise ValueError("every curve must have a value for each threshold")
        return self


class RocCurve(Facts):
    """The true positive rate by the false positive rate."""

    false_positive_rate: list[FiniteFloat]
    true_positive_rate: list[FiniteFloat]
    area: FiniteFloat

    @model_validator(mode="after")
    def _equal_lengths(self) -> "RocCurve":
        if len(self.false_positive_rate) != len(self.true_positive_rate):
            raise ValueError("the two rates must have equal lengths")
        return self


class PrecisionRecallCurve(Facts):
    """The precision by the recall."""

    recall: list[FiniteFloat]
    precision: list[FiniteFloat]
    average_precision: FiniteFloat

    @model_validator(mode="after")
    def _equal_lengths(self) -> "PrecisionRecallCurve":
        if len(self.recall) != len(self.precision):
            raise ValueError("precision and recall must have equal lengths")
        return self


class PositiveClass(Facts):
    """What is known of the second of two classes: its reliability and its curves."""

    name: str
    reliability: list[Bin] = []
    threshold_curve: ThresholdCurve | None = None
    roc_curve: RocCurve | None = None
    precision_recall_curve: PrecisionRecallCurve | None = None


class EvaluationFacts(Facts):
    """The metrics and tables of the model on one part of the data, or on other data."""

    n_rows: Count = 0
    metrics: dict[str, Figure] = {}
    baseline: dict[str, Figure] = {}
    undefined: dict[str, str] = {}
    intervals: dict[str, Ends] = {}
    per_class: list[NameRow] = []
    per_label: list[NameRow] = []
    confusion_matrix: Confusion | None = None
    reliability: list[Bin] = []
    threshold_curves: ThresholdCurves | None = None
    positive_class: PositiveClass | None = None


class Evaluations(RootModel[dict[str, EvaluationFacts]]):
    """The contents of ``evaluation.json``: an evaluation for each part of the data, by name."""


class ChosenThreshold(Facts):
    """The threshold of the second of two classes, and what it was tuned for; None if given."""

    value: FiniteFloat
    name: str = Field(alias="class")
    tuned_for: Literal["f1", "cost", "precision"] | None = None
    min_precision: FiniteFloat | None = None
    false_positive_cost: FiniteFloat | None = None
    false_negative_cost: FiniteFloat | None = None

    @property
    def rule(self) -> str:
        """What it was tuned for, in words."""
        if self.tuned_for == "precision" and self.min_precision is not None:
            return f"tuned for a precision of {self.min_precision:g} or more"
        if self.tuned_for == "cost" and self.false_positive_cost and self.false_negative_cost:
            return (
                f"tuned for the lowest cost, {self.false_positive_cost:g} for a false positive and "
                f"{self.false_negative_cost:g} for a false negative"
            )
        return "given in the recipe" if self.tuned_for is None else "tuned for the highest F1"


class Calibration(Facts):
    """What was calibrated, and the metrics on the calibration rows before and after calibration."""

    n_rows: Count
    temperature: FiniteFloat | None = None
    threshold: ChosenThreshold | None = None
    before: dict[str, Figure]
    after: dict[str, Figure]


class Tried(Facts):
    """Values that a search tried, by dotted key, and their scores on the folds."""

    keys: dict[str, bool | int | float | str]
    mean: FiniteFloat
    standard_error: Figure = None
    scores: list[FiniteFloat] = []


class TuneFacts(Facts):
    """A search: what it compared by which rule, and what it chose."""

    best: dict[str, bool | int | float | str]
    scoring: str
    lower_is_better: bool = False
    rule: str = "best"
    n_folds: Count = 1
    is_whole: bool = True
    results: list[Tried] = []


class Baseline(Facts):
    """What the baseline predicts for every row: a class, or some labels."""

    predicts: str | list[str] = ""
    frequencies: list[FiniteFloat] = []
    metrics: dict[str, dict[str, Figure]] = {}


class Summary(Facts):
    """The contents of ``summary.json``."""

    name: str = ""
    task: str = ""
    kind: str = ""
    solver: str = ""
    plan: str = ""
    finished: str = ""
    seed: int | None = None
    n_train: Count | None = None
    n_test: Count | None = None
    n_features: Count | None = None
    classes: list[str] = []
    fit_seconds: Figure = None
    compile_seconds: Figure = None
    n_iter: Count | None = None
    status: str = ""
    metrics: dict[str, dict[str, Figure]] = {}
    intervals: dict[str, dict[str, Ends]] = {}
    baseline: Baseline = Baseline()
    decided: dict[str, str] = {}
    undefined: dict[str, dict[str, str]] = {}
    calibration: Calibration | None = None
    tune: TuneFacts | None = None
    warnings: list[str] = []
    data_sha256: str = ""
    versions: dict[str, str] = {}


class Strongest(Facts):
    """The features with the largest absolute coefficients of a class, the largest first."""

    name: str
    features: list[tuple[str, FiniteFloat]]


class Model(Facts):
    """The facts about a model that a report shows.

    Attributes
    ----------
    strongest : list of Strongest
        One entry for each class or label; a single entry for two classes.
    thresholds : list of float
        The threshold of each label.
    n_nonzero, n_coefficients : int
        The number of nonzero coefficients, and of all coefficients.
    columns : list of str
        The raw columns that the model encodes; empty if it has no encoder.
    kinds : list of {"number", "category", "text"}
        The kinds of features. Only numbers are ever scaled.
    scaling : {"", "standard", "minmax", "maxabs"}
        How numbers were scaled; empty if they weren't.
    top_k : int, optional
        The number of labels predicted for each row; thresholds are ignored if it is set.
    """

    strongest: list[Strongest] = []
    thresholds: list[float] = []
    n_nonzero: Count = 0
    n_coefficients: Count = 0
    columns: list[str] = []
    kinds: list[str] = []
    scaling: str = ""
    top_k: int | None = None


class RunFacts(Facts):
    """The contents of a run directory, as far as a report shows them.

    Attributes
    ----------
    summary : Summary
    recipe : str
        The resolved recipe, as TOML.
    data : dict
        The table ``[data]`` of the recipe.
    steps : list of dict
        The lines of ``metrics.jsonl``: one for each iteration or epoch.
    parts : dict of str to EvaluationFacts
        The evaluations on "train", "test", and on other data by their names.
    model : Model
    minibatch : bool
        Whether the solver is a minibatch solver, so that a step is an epoch.
    """

    summary: Summary
    recipe: str = ""
    data: dict[str, Any] = {}
    steps: list[dict[str, Any]] = []
    parts: dict[str, EvaluationFacts] = {}
    model: Model = Model()
    minibatch: bool = False

    @property
    def several_labels(self) -> bool:
        """Whether the task is multi-label."""
        return self.summary.task == "multilabel"

    @property
    def main_part(self) -> tuple[str, EvaluationFacts]:
        """Name and evaluation of the part that the report shows: "test", or else "train"."""
        own = [name for name in ("test", "train") if name in self.parts]
        return (own[0], self.parts[own[0]]) if own else ("", EvaluationFacts())

    def is_shown(self, metric: str) -> bool:
        """Tell whether a metric is shown; with one label per row, micro F1 equals the accuracy."""
        return metric != "micro_f1" or self.several_labels

    @property
    def baselines(self) -> dict[str, Figure]:
        """The metrics of the main part for predictions that ignore the features.

        An older run, which doesn't have them, has the accuracy of its most frequent class.
        """
        _, part = self.main_part
        if part.baseline or not part.n_rows or self._majority is None:
            return part.baseline
        rows = next((row.support for row in part.per_class if row.name == self._majority), None)
        return {} if rows is None else {"accuracy": rows / part.n_rows}

    @property
    def baseline_text(self) -> str:
        """What `baselines` are, in words."""
        predicts = self.summary.baseline.predicts or self._majority
        if isinstance(predicts, str):
            return f"always predicts {predicts}, the most frequent class of the training rows"
        if self.several_labels:
            labels = ", ".join(predicts or []) or "none"
            return f"always predicts the labels that most training rows have: {labels}"
        return "ignores the features"

    @property
    def _majority(self) -> str | None:
        train = self.parts.get("train", EvaluationFacts()).per_class
        known = [row for row in train if row.support]
        return max(known, key=lambda row: row.support or 0).name if known else None

    @property
    def main_part_text(self) -> str:
        """The rows of the main part in words, as ``450 test rows``."""
        name, part = self.main_part
        kind = "training" if name == "train" else name
        return f"{count_text(part.n_rows)} {kind} rows"

    @property
    def metrics(self) -> dict[str, dict[str, Figure]]:
        """The metrics of each part; the parts of the run's own data come first."""
        found = dict(self.summary.metrics)
        for name, part in self.parts.items():
            found[name] = {**found.get(name, {}), **part.metrics}
        return {
            name: {key: value for key, value in figures.items() if self.is_shown(key)}
            for name, figures in found.items()
        }

    @property
    def intervals(self) -> dict[str, dict[str, list[float]]]:
        """The intervals of the metrics of those parts that have some."""
        found = dict(self.summary.intervals)
        found |= {name: part.intervals for name, part in self.parts.items()}
        return {name: ends for name, ends in found.items() if ends}
