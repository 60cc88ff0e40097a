"""Parts of estimators that choose a penalty by cross-validation: grid, folds, scores, choice."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import _check_method_params

from fastclf.errors import InputError
from fastclf.estimators import choice, compatibility
from fastclf.estimators.elsewhere import RowsElsewhere
from fastclf.estimators.endings import advice, overflow
from fastclf.estimators.fitting import Settings, fit_problem
from fastclf.estimators.held_out import Scores, score_models
from fastclf.estimators.membership import Membership
from fastclf.estimators.paths import Grid, Paths, Study, StudyInMemory, fit_paths
from fastclf.estimators.prediction import set_coefficients
from fastclf.estimators.problem import Massless, nothing_learned
from fastclf.estimators.validation import boolean, fraction, strength_number

LIKELIHOOD = "neg_log_loss"
"""The scoring that takes distributions as targets."""

Folds = list[tuple[np.ndarray, np.ndarray]]


class PenaltySearch(choice.SolverParameters):
    """Mixin of linear predictors that choose C and l1_ratio by cross-validation.

    Fits are done along paths of penalties; see :mod:`fastclf.estimators.paths`.
    """

    Cs: Any
    C_: Any
    classes_: np.ndarray
    coefs_paths_: Any
    cv: Any
    fit_intercept: bool
    l1_ratio_: Any
    n_threads: int | None
    refit: bool
    scores_: Any
    scoring: Any
    _default_scoring = "accuracy"

    __metadata_request__score = {"sample_weight": UNUSED}

    def get_metadata_routing(self) -> MetadataRouter:
        """Return where metadata go: to the splitter and to the scorer."""
        of_splitter = MethodMapping().add(caller="fit", callee="split")
        of_scorer = MethodMapping().add(caller="score", callee="score")
        of_scorer.add(caller="fit", callee="score")
        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(splitter=self.cv, method_mapping=of_splitter)
        return router.add(scorer=self._get_scorer(), method_mapping=of_scorer)

    @property
    def _scoring(self) -> Any:
        return self.scoring

    @property
    def _takes_likelihood(self) -> bool:
        # Whether targets that aren't labels are scored by their likelihood.
        return self._scoring in (None, LIKELIHOOD)

    def _get_scorer(self) -> Any:
        return get_scorer(self._default_scoring if self._scoring is None else self._scoring)

    def _routed(self, method: str, sample_weight: Any, params: dict[str, Any]) -> Bunch:
        # The metadata for the splitter's ``split`` and for the scorer's ``score``. Without metadata
        # routing only the scorer gets some, the sample weights.
        _raise_for_params(params, self, method)
        sample_weight = None if sample_weight is None else np.asarray(sample_weight)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        if not _routing_enabled():
            return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=weights))
        if method == "fit":
            weights = {"sample_weight": sample_weight}
        return process_routing(self, method, **weights, **params)

    def _settings(self, l1_ratios: Any) -> tuple[Grid, Settings]:
        # The grid of penalties, and the settings of all fits; checks all parameters.
        boolean(self.refit, "refit")
        grid, dual = Grid(_Cs(self.Cs), _l1_ratios(l1_ratios)), getattr(self, "dual", False)
        for l1_ratio in grid.l1_ratios.tolist():
            compatibility.check_solver(self.solver, grid.Cs.max(), l1_ratio, dual)
        settings = Settings.of(self, 1.0, float(grid.l1_ratios.max()))
        if choice.is_minibatch(self.solver):
            raise InputError(
                f"solver={self.solver!r} trains on minibatches, whose results are too imprecise "
                "to compare penalties; use an exact solver, e.g. 'auto'"
            )
        return grid, settings

    def _search(
        self,
        study: Study,
        score: Callable[[Paths], np.ndarray],
        per_label: bool = False,
    ) -> None:
        # Fit all folds, score them by a function of the paths that returns (F, r, c, 1), or with
        # ``per_label`` (F, r, c, L), and set the attributes of the best penalties, or those of each
        # label. Warnings point to the caller of ``fit``.
        X, problem, grid, settings = study.X, study.problem, study.grid, study.settings
        names = getattr(self, "feature_names_in_", None)
        in_memory = None if isinstance(X, RowsElsewhere) else X
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # `fit_paths` checks it
                paths = fit_paths(study)
        except FloatingPointError:
            raise overflow(in_memory, names) from None
        for warning in path_warnings(paths, study, self.classes_, names):
            warnings.warn(warning, stacklevel=3)
        scores = score(paths)
        scores = scores if per_label else scores.mean(axis=-1, keepdims=True)
        self.scores_ = scores if per_label else scores[..., 0]
        F, L = len(scores), paths.coefs.shape[3]
        summed = scores.sum(axis=0, keepdims=True) if self.refit else scores
        places = np.array([[_best(one[..., k]) for k in range(one.shape[-1])] for one in summed])
        r, c = places[..., 0], places[..., 1]
        C, l1_ratio = grid.Cs[c].mean(axis=0), grid.l1_ratios[r].mean(axis=0)
        self.C_, self.l1_ratio_ = (a if per_label else float(a[0]) for a in (C, l1_ratio))
        r, c = (np.broadcast_to(place, (F, L)) for place in (r, c))
        middle = paths.coefs[np.arange(F)[:, None], r, c, np.arange(L)].mean(axis=0)
        self.Cs_, self.l1_ratios_ = grid.Cs, grid.l1_ratios
        if self.refit:
            settings = settings._replace(C=self.C_, l1_ratio=self.l1_ratio_)
            if per_label:
                present = Massless.find(problem, settings.free_intercept).present
                settings = settings._replace(C=C[present], l1_ratio=l1_ratio[present])
            # Start from the mean of the folds; for liblinear from zero, as it does itself.
            warm = not choice.is_liblinear(self.solver)
            start = np.ascontiguousarray(middle.T, dtype=np.float64) if warm else None
            fitted = fit_problem(X, problem, settings, self, start=start)
            fitted.store(self)
            fitted.warn(stacklevel=3)
        else:
            set_coefficients(self, middle.T, X.dtype)
            self.history_: dict[str, np.ndarray] = {}
        self.history_["path_passes"] = np.array(paths.passes)
        self.coefs_paths_ = paths.coefs if self.fit_intercept else paths.coefs[..., :-1]
        self.n_iter_ = paths.n_iter

    def _scores(
        self,
        study: StudyInMemory,
        weights: np.ndarray | None,
        params: dict[str, Any],
        judge: Callable[..., Scores],
        paths: Paths,
    ) -> np.ndarray:
        # The scores of all models of all folds, (F, r, c, 1) or (F, r, c, L). ``judge`` returns the
        # Scores of the rows that a fold holds out. It takes their numbers, features and weights,
        # and their part of the scorer's parameters.
        if self._scoring is not None:
            weights = params.get("sample_weight")
        scores = []
        for f, (_, test) in enumerate(study.folds):
            own = None if weights is None else weights[test]
            if own is not None and not own.sum() > 0:
                raise InputError(
                    f"fold {f} holds out no rows of positive weight: choose another cv"
                )
            rows = study.X[_run(test)]  # without a copy, if possible
            own_params = _check_method_params(study.X, params, indices=test)
            judged = judge(test, rows, own, own_params)
            models = paths.coefs[f].reshape(-1, *paths.coefs.shape[3:])
            scores.append(score_models(models, rows, judged, self.n_threads))
        return np.stack(scores).reshape(*paths.n_iter.shape, -1)


def _run(rows: np.ndarray) -> np.ndarray | slice:
    # Numbers of rows (m,) as a slice, if they follow one another.
    follow = rows.size > 0 and rows[-1] - rows[0] == rows.size - 1 and (np.diff(rows) == 1).all()
    return slice(rows[0], rows[-1] + 1) if follow else rows


def _Cs(Cs: Any) -> np.ndarray:
    given = np.asarray(Cs)
    if given.ndim == 0:
        if isinstance(Cs, bool) or not hasattr(Cs, "__index__") or Cs < 1:
            raise InputError(f"Cs must be an integer >= 1 or a list of numbers, got {Cs!r}")
        return np.logspace(-4, 4, int(Cs))
    if not given.size:
        raise InputError("Cs is empty; give at least one number, or how many to try")
    return np.array([strength_number(C, "each of Cs") for C in given.tolist()])


def _l1_ratios(l1_ratios: Any) -> np.ndarray:
    values = np.asarray(l1_ratios)
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"l1_ratios must be a list of numbers in [0, 1], got {l1_ratios!r}")
    return np.array([fraction(ratio, "each of l1_ratios") for ratio in values.tolist()])


def split(
    cv: Any, X: Any, y: Any, params: dict[str, Any], ignored: np.ndarray | None = None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the rows to train on and to hold out, of each fold, without those of a mask (n,)."""
    f = -1
    for f, parts in enumerate(check_cv(cv, y, classifier=True).split(X, y, **params)):
        train, test = (np.asarray(part) for part in parts)
        rows = [np.flatnonzero(p) if p.dtype == bool else p.astype(np.intp) for p in (train, test)]
        if rows[1].size == 0:
            raise InputError(f"fold {f} holds out no rows: choose another cv")
        train, test = rows if ignored is None else (part[~ignored[part]] for part in rows)
        if test.size == 0:
            raise InputError(f"fold {f} holds out ignored rows alone: choose another cv")
        yield train, test
    if f < 0:
        raise InputError("cv has no folds; give an integer >= 2, a splitter or a list of splits")


def folds_of(n: int, cv: Any, y: Any, params: dict[str, Any], ignored: Any = None) -> Membership:
    """Return the folds of n rows that aren't in memory, one of them in memory at a time.

    Splitters get a y (n,), or None, and an X of zeros.
    """
    X = np.broadcast_to(np.zeros(1), (n, 1))
    return Membership.of(split(cv, X, y, params, ignored), n)


def check_scoring(scoring: Any, allowed: Sequence[str], other: str) -> None:
    """Refuse a scorer that needs all held out rows in memory; ``other`` is where it works."""
    if scoring is not None and scoring not in allowed:
        raise InputError(
            f"scoring={scoring!r} needs all held-out rows in memory; use "
            f"{', '.join(map(repr, allowed))} or None, or {other}"
        )


def _best(scores: np.ndarray) -> tuple[int, int]:
    # The places of the l1_ratio and the C with the highest scores (r, c). Of equal ones it is the
    # first C, then the first l1_ratio.
    c, r = np.unravel_index(np.argmax(scores.T), scores.T.shape)
    return int(r), int(c)


def path_warnings(paths: Paths, study: Study, classes: np.ndarray, names: Any) -> list[Warning]:
    """Return which classes or labels folds lack, and which fits didn't converge, once for each."""
    found: list[Warning] = []
    lacking = np.any([~m.present for m in paths.massless], axis=0)
    if lacking.any():
        lacked = classes if lacking.size < len(classes) else classes[lacking]
        found.append(nothing_learned("in some folds there is", lacked))
    settings, X, name = study.settings, study.X, study.settings.estimator
    in_memory = None if isinstance(X, RowsElsewhere) else X

    def at(mask: np.ndarray) -> str:
        return ", ".join(f"{C:g}" for C in study.grid.Cs[mask.any(axis=(0, 1))])

    texts = []
    if paths.stalled.any():
        texts.append(
            f"{name} stopped far from the optimum, where {X.dtype} arithmetic allows no further "
            f"progress, at C = {at(paths.stalled)}. {advice(in_memory, names)}"
        )
    if paths.unfinished.any():
        texts.append(
            f"{name} stopped after {settings.max_iter} iterations, before its gradients were "
            f"within tol={settings.tol}, at C = {at(paths.unfinished)}: increase max_iter; or "
            "scale the features, or leave out the largest of Cs; or increase tol if less "
            "precision is enough"
        )
    return found + [ConvergenceWarning(text) for text in texts]
