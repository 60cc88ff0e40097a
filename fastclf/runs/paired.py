"""Whether the metrics of two runs differ by more than noise, on the test rows that both share."""

import warnings
from dataclasses import dataclass, field
from typing import Any

from fastclf.errors import FastclfError
from fastclf.runs.bootstrap import Difference, paired_differences
from fastclf.runs.directory import TEST_ROWS, FinishedRun
from fastclf.runs.row_results import RowResults

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

    def lines(self) -> list[str]:
        """Return a sentence for each metric, or one with the reason."""
        if self.reason:
            return [f"the test rows can't be compared one by one: {self.reason}"]
        if not any(one.value or any(one.interval) for one in self.differences.values()):
            return ["both models have the same result on every test row"]
        found = []
        for name, one in self.differences.items():
            low, high = one.interval
            verdict = "more than noise" if one.exceeds_noise else "within noise"
            found.append(
                f"{name}, second minus first: {one.value:+.4f} "
                f"(95 % interval {low:+.4f} to {high:+.4f}), {verdict}"
            )
        return found


def compare_pair(first: FinishedRun, second: FinishedRun) -> Paired:
    """Compare two runs on their test rows, row by row.

    They may have read other columns, but must have the same test rows: rows with the same numbers
    and the same targets. A run has kept what each row adds to its metrics. Where it hasn't, because
    an earlier version wrote it or it has very many test rows, its rows are read and predicted
    again. The differences get intervals by the paired bootstrap of `fastclf.runs.bootstrap`, with
    the first run's seed.
    """
    if min(run.summary.get("n_test", 1) for run in (first, second)) == 0:
        return Paired(reason="a run has no test rows")
    try:
        one, other = (row_results(run) for run in (first, second))
    except FastclfError as problem:
        return Paired(reason=str(problem))
    if one.rows != other.rows:
        return Paired(reason="the runs have different test rows")
    found = paired_differences(one.terms, other.terms, first.recipe.seed)
    return Paired({name: found[name] for name in COMPARED if name in found})


def row_results(run: FinishedRun) -> RowResults:
    """Return what each test row adds to the metrics of a run.

    Raises
    ------
    FastclfError
        If the run didn't keep it, and its data can't be read any more or have changed.
    """
    kept = RowResults.read(run.path / TEST_ROWS)
    if kept is not None:
        return kept
    from fastclf.runs.intervals import terms_of  # here, as importing scikit-learn takes long
    from fastclf.runs.reevaluation import own_parts

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # training has reported what is odd about the data
        test = own_parts(run)["test"]
        return RowResults.of(test, terms_of(run.model, test))
