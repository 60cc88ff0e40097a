"""What a report is made from: the files of a run, as plain data that has been checked."""

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    RootModel,
    ValidationError,
    model_validator,
)

from fastclf.report.wording import count

Figure = float | None
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Facts(BaseModel):
    """Facts of a file; keys that a report doesn't show are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def first_mistake(problem: ValidationError) -> tuple[str, str]:
    """Return the dotted key of the first mistake in a file, and what is wrong there."""
    first = problem.errors()[0]
    return ".".join(map(str, first["loc"])), first["msg"]


class NameRow(Facts):
    """The figures of a class or label."""

    name: str
    precision: Figure = None
    recall: Figure = None
    f1: Figure = None
    support: Count | None = None
    roc_auc: Figure = None


class Confusion(Facts):
    """How often each class, a row, was taken for each class, a column."""

    classes: list[str]
    counts: list[list[Count]]

    @model_validator(mode="after")
    def _square(self) -> "Confusion":
        if {len(self.classes)} != {len(self.counts), *map(len, self.counts)}:
            raise ValueError("the counts must have a row and a column for each class")
        return self


class Bin(Facts):
    """Predictions with about the same probability: how many, and how many of them came true."""

    low: FiniteFloat = Field(alias="from")
    high: FiniteFloat = Field(alias="to")
    rows: Count = Field(alias="count")
    confidence: FiniteFloat
    accuracy: FiniteFloat


class Threshold(Facts):
    """Precision, recall and F1 at each threshold, of a label or of all together."""

    name: str = ""
    precision: list[Figure]
    recall: list[Figure]
    f1: list[Figure]


class ThresholdCurves(Facts):
    """What `fastclf.runs.curves.threshold_curves` returns."""

    thresholds: list[FiniteFloat]
    micro: Threshold
    labels: list[Threshold] = []

    @model_validator(mode="after")
    def _as_long(self) -> "ThresholdCurves":
        curves = [self.micro, *self.labels]
        lengths = {len(values) for c in curves for values in (c.precision, c.recall, c.f1)}
        if lengths != {len(self.thresholds)}:
            raise ValueError("every curve must have a value for each threshold")
        return self


class Judged(Facts):
    """What the model is worth on a part of the data, or on other data."""

    n_rows: Count = 0
    metrics: dict[str, Figure] = {}
    per_class: list[NameRow] = []
    per_label: list[NameRow] = []
    confusion_matrix: Confusion | None = None
    reliability: list[Bin] = []
    threshold_curves: ThresholdCurves | None = None


class Evaluations(RootModel[dict[str, Judged]]):
    """What ``evaluation.json`` holds: figures of parts of the data, by their names."""


class Calibration(Facts):
    """What calibration on rows that were split off has changed."""

    n_rows: Count
    temperature: FiniteFloat | None = None
    before: dict[str, Figure]
    after: dict[str, Figure]


class Summary(Facts):
    """What ``summary.json`` holds."""

    name: str = ""
    task: str = ""
    kind: str = ""
    solver: str = ""
    plan: str = ""
    seed: int | None = None
    n_train: Count | None = None
    n_test: Count | None = None
    n_features: Count | None = None
    classes: list[str] = []
    fit_seconds: Figure = None
    n_iter: Count | None = None
    status: str = ""
    metrics: dict[str, dict[str, Figure]] = {}
    calibration: Calibration | None = None
    warnings: list[str] = []
    data_sha256: str = ""
    versions: dict[str, str] = {}


class Strongest(Facts):
    """The features with the largest coefficients of a class, the largest first."""

    name: str
    features: list[tuple[str, FiniteFloat]]


class Model(Facts):
    """What a report tells of a model.

    Attributes
    ----------
    strongest : list of Strongest
        One for each class or label; one alone for two classes.
    thresholds : list of float
        That of each label.
    n_nonzero, n_coefficients : int
        How many coefficients aren't 0, and how many there are.
    columns : list of str
        The raw columns, where the model encodes such.
    scaled : bool
        Whether the coefficients are those of scaled features.
    top_k : int, optional
        How many labels are predicted of each row, whatever the thresholds.
    """

    strongest: list[Strongest] = []
    thresholds: list[float] = []
    n_nonzero: Count = 0
    n_coefficients: Count = 0
    columns: list[str] = []
    scaled: bool = False
    top_k: int | None = None


class RunFacts(Facts):
    """What a run left behind.

    Attributes
    ----------
    summary : Summary
    recipe : str
        The resolved recipe, TOML.
    data : dict
        The table ``[data]`` of the recipe.
    steps : list of dict
        A table for each iteration or epoch.
    parts : dict of str to Judged
        "train", "test", and the names of other data on which the model was judged.
    model : Model
    minibatch : bool
        Whether a step is an epoch.
    """

    summary: Summary
    recipe: str = ""
    data: dict[str, Any] = {}
    steps: list[dict[str, Any]] = []
    parts: dict[str, Judged] = {}
    model: Model = Model()
    minibatch: bool = False

    @property
    def several_labels(self) -> bool:
        """Whether rows have any number of labels."""
        return self.summary.task == "multilabel"

    @property
    def judged(self) -> tuple[str, Judged]:
        """The part by which the model is judged: the test rows, or else the training rows."""
        own = [name for name in ("test", "train") if name in self.parts]
        return (own[0], self.parts[own[0]]) if own else ("", Judged())

    @property
    def judged_on(self) -> str:
        """That part in words: ``450 test rows``."""
        name, part = self.judged
        kind = "training" if name == "train" else name
        return f"{count(part.n_rows)} {kind} rows"

    @property
    def metrics(self) -> dict[str, dict[str, Figure]]:
        """The metrics of each part, those of the run's own data first."""
        found = dict(self.summary.metrics)
        for name, part in self.parts.items():
            found[name] = {**found.get(name, {}), **part.metrics}
        return found
