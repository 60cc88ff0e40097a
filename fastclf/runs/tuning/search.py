"""The search for the best keys of a recipe on its training rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastclf.config import Recipe, TuneTable
from fastclf.data import Dataset
from fastclf.errors import ConfigError
from fastclf.estimators.paths import Grid
from fastclf.runs.directory import RunDirectory
from fastclf.runs.parts import split_test_rows
from fastclf.runs.streamed import StreamedData
from fastclf.runs.tuning.candidates import Candidate, at_ends, choose
from fastclf.runs.tuning.fits import Fits, splits_of
from fastclf.runs.tuning.record import FoldScores, Record
from fastclf.runs.tuning.scoring import Scoring
from fastclf.runs.tuning.streamed import StreamedFits
from fastclf.runs.tuning.tables import value_text
from fastclf.runs.tuning.trials import Trials


class OutOfTime(Exception):
    """The time that is left is needed to fit the chosen model."""


class Budget:
    """The time for a search and for the fit of the chosen model.

    Parameters
    ----------
    limit : float, optional
        Seconds in all; None for no limit.
    began : float, optional
        When they began, by ``time.perf_counter``; by default now.
    """

    def __init__(self, limit: float | None = None, began: float | None = None) -> None:
        now = time.perf_counter() if began is None else began
        self._ends = None if limit is None else now + limit
        self._longest = 0.0

    def spent_before(self, seconds: float) -> None:
        """Take off the time of an earlier process."""
        if self._ends is not None:
            self._ends -= seconds

    def check(self, seconds: float) -> None:
        """Raise OutOfTime if another fit, and that of the chosen model, may take too long.

        ``seconds`` is how long the last fit took.
        """
        self._longest = max(self._longest, seconds)
        if self._ends is not None and time.perf_counter() + 3 * self._longest > self._ends:
            raise OutOfTime


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes
    ----------
    recipe : Recipe
        With the chosen values.
    summary : dict
        The value of ``tune`` in ``summary.json``.
    warnings : list of str
    """

    recipe: Recipe
    summary: dict[str, Any]
    warnings: list[str]


def search(
    recipe: Recipe,
    dataset: Dataset | StreamedData,
    directory: RunDirectory,
    budget: Budget,
    tell: Callable[[str], None],
) -> Found:
    """Return the best keys of a recipe with a ``[tune]`` table, and how they were found.

    Scores are written to ``tune.jsonl`` as they become known; those that are there already aren't
    computed again.

    Parameters
    ----------
    recipe : Recipe
        Its kind of model is known.
    dataset : Dataset or StreamedData
    directory : RunDirectory
    budget : Budget
    tell : callable
        Is called with a line of text after each fold.

    Raises
    ------
    FastclfError
        If the rows can't be split, or a model can't be fitted or scored.
    """
    table = recipe.tune
    assert table is not None
    scoring = Scoring.named(table.scoring, dataset.task, dataset.is_soft)
    grid = Grid(np.array(table.strengths()), np.array(table.shares(recipe.model.l1_ratio)))
    fits_of = _fits(recipe, table, dataset, grid, scoring)
    record = Record(directory.path)
    budget.spent_before(record.seconds)
    trials = Trials(table, recipe.seed)
    candidates: list[Candidate] = []
    tried: dict[str, float] = {}
    is_whole = True
    for trial, keys in enumerate(trials):
        if repr(keys) not in tried:
            fits = fits_of(_with_keys(recipe, keys))
            scores = _Scores(trial, keys, fits, record, budget, tell)
            is_whole = scores.complete()
            found = scores.candidates(with_ratio=table.l1_ratio is not None)
            candidates += found
            if not is_whole:
                break
            best = choose(found, "best", scoring.lower_is_better)
            tried[repr(keys)] = best.mean if scoring.lower_is_better else -best.mean
        trials.tell(tried[repr(keys)])
    if not candidates:
        raise ConfigError(
            "the budget is too short for a single fit; give --budget more seconds, or leave it out"
        )
    chosen = choose(candidates, table.rule, scoring.lower_is_better)
    tell(_chosen_line(chosen.keys))
    warnings = list(at_ends(table, chosen.keys)) if is_whole else []
    if not is_whole:
        warnings.append(
            f"the budget ended the search after {len(candidates)} of "
            f"{len(trials) * grid.Cs.size * grid.l1_ratios.size} combinations of values; "
            f"{len(chosen.scores)} of {table.n_folds} folds were scored"
        )
    summary = {
        "best": chosen.keys,
        "scoring": scoring.name,
        "lower_is_better": scoring.lower_is_better,
        "rule": table.rule,
        "score": chosen.mean,
        "standard_error": chosen.standard_error,
        "n_folds": table.n_folds,
        "is_whole": is_whole,
        "seconds": record.seconds,
        "results": [one.as_json() for one in candidates],
    }
    return Found(_with_keys(recipe, chosen.keys, keep=True), summary, warnings)


def _fits(
    recipe: Recipe,
    table: TuneTable,
    dataset: Dataset | StreamedData,
    grid: Grid,
    scoring: Scoring,
) -> Callable[[Recipe], Fits | StreamedFits]:
    """Return what makes the fits of a recipe with the values of a trial."""
    if isinstance(dataset, StreamedData):
        assert table.holdout is not None  # recipes of streams have it
        return lambda own: StreamedFits(own, table.holdout or 0.0, grid, scoring)
    train, _ = split_test_rows(dataset, recipe.data, recipe.seed)
    splits = splits_of(train, recipe, table)
    return lambda own: Fits(own, train, splits, grid, scoring)


class _Scores:
    """The scores of one trial: (folds, l1_ratios, Cs), NaN where there is none."""

    def __init__(
        self,
        trial: int,
        keys: dict[str, Any],
        fits: Fits | StreamedFits,
        record: Record,
        budget: Budget,
        tell: Callable[[str], None],
    ) -> None:
        self._trial = trial
        self._keys = keys
        self._fits = fits
        self._record = record
        self._budget = budget
        self._tell = tell
        grid = fits.grid
        self._values = np.full((fits.n_folds, grid.l1_ratios.size, grid.Cs.size), np.nan)
        self._since = self._last = time.perf_counter()

    def complete(self) -> bool:
        """Fit and score what isn't known; return whether there was time for all of it."""
        missing = []
        for fold in range(len(self._values)):
            known = self._record.known.get((self._trial, fold))
            if known is None:
                missing.append(fold)
            else:
                self._values[fold] = np.array(known.scores, np.float64)
        self._since = self._last = time.perf_counter()
        try:
            if missing:
                self._budget.check(0.0)
                self._fits.run(missing, self._add)
        except OutOfTime:
            for fold in missing:
                scores = self._values[fold]
                if np.isfinite(scores).any() and not np.isfinite(scores).all():
                    self._write(fold)
            return False
        return True

    def candidates(self, with_ratio: bool) -> list[Candidate]:
        """Return the candidates of the trial that have a score."""
        complete = np.isfinite(self._values).all(axis=(1, 2))
        # A fold that was cut short has scores of small C alone, which it would favour.
        values = self._values[complete] if complete.any() else self._values
        found = []
        for r, l1_ratio in enumerate(self._fits.grid.l1_ratios.tolist()):
            for c, C in enumerate(self._fits.grid.Cs.tolist()):
                scores = values[:, r, c]
                ratio = {"model.l1_ratio": l1_ratio} if with_ratio else {}
                known = tuple(scores[np.isfinite(scores)].tolist())
                if known:
                    found.append(Candidate({"model.C": C, **ratio, **self._keys}, known))
        return found

    def _add(self, fold: int, r: int, c: int, score: float) -> None:
        now = time.perf_counter()
        self._values[fold, r, c] = score
        took, self._last = now - self._last, now
        if np.isfinite(self._values[fold]).all():
            self._write(fold)
            self._tell(self._line(fold))
        self._budget.check(took)

    def _write(self, fold: int) -> None:
        now = time.perf_counter()
        seconds, self._since = now - self._since, now
        scores = self._values[fold].tolist()
        known = [[None if np.isnan(score) else score for score in row] for row in scores]
        grid = self._fits.grid
        self._record.add(
            FoldScores(
                self._trial,
                fold,
                self._keys,
                grid.l1_ratios.tolist(),
                grid.Cs.tolist(),
                known,
                seconds,
            )
        )

    def _line(self, fold: int) -> str:
        scoring, values = self._fits.scoring, self._values[fold]
        best = values.min() if scoring.lower_is_better else values.max()
        c = int(np.argwhere(values == best)[0][1])
        keys = ", ".join(f"{key} = {value_text(value)}" for key, value in self._keys.items())
        trial = f"trial {self._trial + 1} ({keys}), " if self._keys else ""
        of = f"{trial}fold {fold + 1} of {len(self._values)}"
        C = value_text(float(self._fits.grid.Cs[c]))
        return f"{of}: best {scoring.name} {best:.4f} at C = {C}"


def _chosen_line(keys: dict[str, Any]) -> str:
    values = ", ".join(f"{key} = {value_text(value)}" for key, value in keys.items())
    return f"fitting to all training rows with {values}"


def _with_keys(recipe: Recipe, keys: dict[str, Any], keep: bool = False) -> Recipe:
    """Return a recipe with some values, and without ``[tune]`` unless it is kept."""
    own = recipe.model_copy(update={"tune": None}).with_keys(keys)
    return own.model_copy(update={"tune": recipe.tune}) if keep else own
