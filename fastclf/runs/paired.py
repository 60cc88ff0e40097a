"""Whether the metrics of two runs differ by more than noise, on the test rows that both share."""

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse

from fastclf.errors import FastclfError
from fastclf.runs.directory import FinishedRun
from fastclf.runs.intervals import Difference, paired_differences, terms_of
from fastclf.runs.parts import Part
from fastclf.runs.reevaluation import own_parts
from fastclf.table import Table

NOT_SAME_DATA = "the runs did not read the same data: other files, rows, columns, groups or times"

COMPARED = ("accuracy", "subset_accuracy", "micro_f1", "log_loss", "cross_entropy")


@dataclass(frozen=True)
class Paired:
    """The differences between two runs on their test rows, or the reason why there are none.

    Attributes
    ----------
    differences : dict of str to Difference
        For each metric of `COMPARED` that both runs have: the second run's minus the first one's.
    reason : str
        Why the runs can't be compared row by row; empty if they can.
    """

    differences: dict[str, Difference] = field(default_factory=dict)
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the differences by metric, or the reason."""
        if self.reason:
            return {"reason": self.reason}
        return {
            name: {
                "difference": found.value,
                "interval": list(found.interval),
                "exceeds_noise": found.exceeds_noise,
            }
            for name, found in self.differences.items()
        }

    def lines(self, second: str, first: str) -> list[str]:
        """Return a sentence for each metric of two named runs, or one with the reason."""
        if self.reason:
            return [f"{second} and {first} can't be compared row by row: {self.reason}"]
        if all(
            one.value == 0 == one.interval[0] == one.interval[1]
            for one in self.differences.values()
        ):
            return [f"{second} and {first} give the same result on every test row"]
        found = []
        for name, one in self.differences.items():
            low, high = one.interval
            verdict = "more than noise" if one.exceeds_noise else "within noise"
            found.append(
                f"{name}, {second} minus {first}: {one.value:+.4f} "
                f"(95 % interval {low:+.4f} to {high:+.4f}), {verdict}"
            )
        return found


def compare_pair(first: FinishedRun, second: FinishedRun) -> Paired:
    """Predict the test rows of two runs with both models, and compare them row by row.

    The differences get intervals by the paired bootstrap of `fastclf.runs.intervals`, with the
    first run's seed. The data are read as `fastclf.runs.reevaluation.evaluate_run` reads them; if
    both recipes read and split them alike, once.
    """
    shas = [run.summary.get("data_sha256") for run in (first, second)]
    if not shas[0] or shas[0] != shas[1]:
        return Paired(reason=NOT_SAME_DATA)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # training has reported what is odd about the data
            one = own_parts(first)["test"]
            other = one if _reads_alike(first, second) else own_parts(second)["test"]
            if len(one) == 0 or len(other) == 0:
                return Paired(reason="a run has no test rows")
            if not _same_rows(one, other):
                return Paired(reason="the runs have different test rows")
            terms = terms_of(first.model, one), terms_of(second.model, other)
    except FastclfError as problem:
        return Paired(reason=str(problem))
    found = paired_differences(*terms, first.recipe.seed)
    return Paired({name: found[name] for name in COMPARED if name in found})


def _reads_alike(first: FinishedRun, second: FinishedRun) -> bool:
    keys = ("data", "distill", "calibrate", "seed")
    return all(getattr(first.recipe, key) == getattr(second.recipe, key) for key in keys)


def _same_rows(one: Part, other: Part) -> bool:
    """Return whether two parts of the same data have the same rows in the same order."""
    if one is other:
        return True
    if one.y.shape != other.y.shape or one.y.dtype.kind != other.y.dtype.kind:
        return False
    if not np.array_equal(one.y, other.y, equal_nan=one.y.dtype.kind == "f"):
        return False
    rows = [part.X.rows if isinstance(part.X, Table) else part.rows for part in (one, other)]
    if rows[0] is not None and rows[1] is not None:
        return np.array_equal(rows[0], rows[1])
    if type(one.X) is not type(other.X):
        return False
    if scipy.sparse.issparse(one.X):
        return one.X.shape == other.X.shape and (one.X != other.X).nnz == 0
    return np.array_equal(one.X, other.X, equal_nan=True)
