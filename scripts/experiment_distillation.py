"""Measure the gain of distilling strong teachers into a linear student.

The temperature, the weight of the labels, and the rows with labels are varied.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _benchmark import write
from _experiments import calibration_error, cross_entropy, one_hot, parser, shown, split
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_digits
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

import fastclf

PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0)
"""Candidate values of the student's C."""

TEMPERATURES = (1.0, 2.0, 4.0, 8.0)
MIXES = (0.0, 0.5)
"""Weights of the labels in the loss; 1 would be the student without a teacher."""

FOLDS = 3

FEW = {"digits": 150, "letter": 600}
"""Number of labelled rows in the experiment with few labels."""

LARGEST = 3_000
"""Largest number of rows in a split, because teachers are slow."""

FLOOR = 1e-12
"""Teacher probabilities are raised to this before the logarithm."""

FIGURES = {
    "accuracy": ("accuracy", 4),
    "loss": ("log-loss", 4),
    "ece": ("ECE", 4),
    "agreement": ("agreement", 4),
}
"""The metrics on held-out rows, each with its heading and number of digits."""

Row = dict[str, Any]


def boosting(seed: int) -> Any:
    return HistGradientBoostingClassifier(max_iter=60, random_state=seed)


def kernel_machine(seed: int) -> Any:
    """Return one-vs-rest RBF SVMs whose margins one temperature converts to probabilities.

    SVC's own multi-class margins are votes of class pairs, and give poor probabilities.
    """
    machine = OneVsRestClassifier(SVC(C=10, random_state=seed))
    return CalibratedClassifierCV(machine, method="temperature", ensemble=False, cv=FOLDS)


TEACHERS: dict[str, Callable[[int], Any]] = {
    "gradient boosting": boosting,
    "RBF SVM": kernel_machine,
}


def data_sets(folder: Path | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return standardised features and labels of digits, and with a folder also of letter."""
    found = {"digits": load_digits(return_X_y=True)}
    if folder is not None:
        with np.load(folder / "letter.npz", allow_pickle=False) as data:
            X = np.concatenate([data["X"], data["X_test"]])
            found["letter"] = X, np.concatenate([data["y"], data["y_test"]])
    return {
        name: (
            StandardScaler().fit_transform(X.astype(np.float64)),
            np.unique(y, return_inverse=True)[1],
        )
        for name, (X, y) in found.items()
    }


def logits(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(p, FLOOR))


class Judge:
    """Chooses a student's C by its log-loss on validation rows, and evaluates it on test rows."""

    def __init__(self, validation: tuple, test: tuple, answers: np.ndarray | None) -> None:
        self.validation, self.test, self.answers = validation, test, answers

    def best(self, fit: Callable[[float], Any]) -> dict[str, float]:
        """Return the metrics with the best C; "choice" is the validation loss that selected it."""
        X, y = self.validation
        found = []
        for C in PENALTIES:
            model = fit(C)
            targets = one_hot(y, len(model.classes_))
            found.append((cross_entropy(model.predict_log_proba(X), targets), C, model))
        choice, C, model = min(found, key=lambda one: one[:2])
        return {"C": C, "choice": choice, **self.figures(model.predict_log_proba(self.test[0]))}

    def figures(self, log_p: np.ndarray) -> dict[str, float]:
        y = self.test[1]
        p = np.exp(log_p)
        answers = one_hot(y, p.shape[1])
        figures = {
            "accuracy": float((p.argmax(axis=1) == y).mean()),
            "loss": cross_entropy(log_p, answers),
            "ece": calibration_error(p, answers),
        }
        if self.answers is not None:
            figures["agreement"] = float((p.argmax(axis=1) == self.answers).mean())
        return figures


def distilled(X: Any, y: Any, Z: np.ndarray, T: float, a: float) -> Callable[[float], Any]:
    def fit(C: float) -> Any:
        student = fastclf.LogisticRegression(C, n_threads=1)
        clf = fastclf.DistilledClassifier(None, student=student, temperature=T, hard_weight=a)
        return clf.fit(X, y, teacher_logits=Z)

    return fit


def plain(X: np.ndarray, y: np.ndarray) -> Callable[[float], Any]:
    return lambda C: fastclf.LogisticRegression(C, n_threads=1).fit(X, y)


def one_split(X: np.ndarray, y: np.ndarray, few: int, seed: int) -> dict[str, dict[str, Any]]:
    """Return the metrics of all settings on one split, by the text "teacher | rows | T | a"."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))[:LARGEST]
    X, y = X[rows], y[rows]
    train, validation, test = split(len(y), rng)
    X_train, y_train = X[train], y[train]
    held_out = (X[validation], y[validation]), (X[test], y[test])
    results: dict[str, dict[str, Any]] = {}

    def record(teacher: str, rows: str, T: float | None, a: float | None, found: dict) -> None:
        key = {"teacher": teacher, "rows": rows, "T": T, "a": a}
        results[" | ".join(map(str, key.values()))] = key | found

    alone = Judge(*held_out, None)
    record("none", "all labelled", None, 1.0, alone.best(plain(X_train, y_train)))
    labelled = labelled_rows(y_train, few, rng)
    X_few, y_few = X_train[labelled], y_train[labelled]
    record("none", "few labelled", None, 1.0, alone.best(plain(X_few, y_few)))
    for name, make in TEACHERS.items():
        teacher = make(seed).fit(X_train, y_train)
        log_p = logits(teacher.predict_proba(X[test]))
        judge = Judge(*held_out, log_p.argmax(axis=1))
        record(name, "the teacher, all labelled", None, None, judge.figures(log_p))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
        crossed = cross_val_predict(make(seed), X_train, y_train, cv=folds, method="predict_proba")
        for rows_name, p in (
            ("own", teacher.predict_proba(X_train)),
            ("cross-fitted", crossed),
        ):
            for T in TEMPERATURES:
                for a in MIXES:
                    fit = distilled(X_train, y_train, logits(p), T, a)
                    record(name, rows_name, T, a, judge.best(fit))
        teacher = make(seed).fit(X_few, y_few)
        log_p = logits(teacher.predict_proba(X[test]))
        judge = Judge(*held_out, log_p.argmax(axis=1))
        record(name, "the teacher, few labelled", None, None, judge.figures(log_p))
        Z = logits(teacher.predict_proba(X_train))
        for T in TEMPERATURES:
            record(name, "unlabelled", T, 0.0, judge.best(distilled(X_train, None, Z, T, 0.0)))
    return results


def labelled_rows(y: np.ndarray, few: int, rng: np.random.Generator) -> np.ndarray:
    """Return the indices of ``few`` rows, with equal numbers for all classes."""
    order = rng.permutation(len(y))
    each = few // (y.max() + 1)
    return np.concatenate([order[y[order] == k][:each] for k in range(y.max() + 1)])


def chosen(found: dict[str, dict], teacher: str, rows: str) -> dict[str, Any]:
    """Return the setting with the lowest validation loss, for a teacher and a kind of rows."""
    ways = [way for way in found.values() if (way["teacher"], way["rows"]) == (teacher, rows)]
    return min(ways, key=lambda way: way["choice"])


def tables(name: str, splits: list[dict[str, dict]]) -> list[Row]:
    """Return a row for each setting, with its metrics and its gain over the plain student."""
    rows = []

    def add(teacher: str, rows_name: str, T: Any, a: Any, found: list[dict]) -> None:
        base = "few labelled" if rows_name in FEW_ROWS else "all labelled"
        plain_ones = [one[f"none | {base} | None | 1.0"] for one in splits]
        row: Row = {"data": name, "teacher": teacher, "rows": rows_name, "T": T, "a": a}
        for key, (heading, digits) in FIGURES.items():
            known = all(key in one for one in found)
            row[heading] = shown([one[key] for one in found], digits) if known else None
        for key in ("accuracy", "loss"):
            heading, digits = FIGURES[key]
            gains = [one[key] - base[key] for one, base in zip(found, plain_ones, strict=True)]
            same = teacher == "none"
            row[f"{heading} - plain"] = None if same else shown(gains, digits, signed=True)
        rows.append(row)

    for key, first in splits[0].items():
        add(*(first[field] for field in ("teacher", "rows", "T", "a")), [s[key] for s in splits])
    for teacher in TEACHERS:
        for kind in ("own", "cross-fitted", "unlabelled"):
            add(teacher, kind, "chosen", "chosen", [chosen(s, teacher, kind) for s in splits])
    return rows


FEW_ROWS = ("few labelled", "unlabelled", "the teacher, few labelled")
"""Settings with few labels, which are compared with the plain student on the labelled rows."""


def parse() -> argparse.Namespace:
    options = parser(__doc__, seeds=5)
    given = options.parse_args()
    if given.seeds < 2:
        options.error("--seeds must be at least 2: errors are those over splits")
    return given


def main() -> None:
    options = parse()
    warnings.simplefilter("ignore")
    rows: list[Row] = []
    details: dict[str, Any] = {}
    for name, (X, y) in data_sets(options.data).items():
        if options.only and name not in options.only:
            continue
        splits = []
        for seed in range(options.seeds):
            with threadpool_limits(
                1
            ):  # on a busy machine the teachers' threads wait for each other
                splits.append(one_split(X, y, FEW[name], seed))
            print(f"{name}, split {seed + 1} of {options.seeds}", flush=True)
        details[name] = splits
        rows += tables(name, splits)
    note = (
        f"Means over {options.seeds} random splits (64 % to train on, 16 % to choose by, 20 % "
        f"held out; of letter {LARGEST} rows a split) and their standard errors, corrected for "
        "rows that splits share (Nadeau and Bengio 2003). Differences are paired. The student is "
        f"LogisticRegression, its C of {PENALTIES} chosen by held-out log-loss. rows: what the "
        "student learns from. own: the teacher's answers for the rows it was trained on itself. "
        f"cross-fitted: answers of teachers that had not seen the row ({FOLDS} folds). unlabelled: "
        f"the teacher knows the labels of a few rows only ({FEW}) and answers for all; its student "
        "is compared with the plain student of those few. a: weight of the labels. chosen: T and a "
        "of each split by held-out log-loss, which the other rows are not: the best of them is the "
        "best of many. agreement: share of held-out rows where the student predicts what the "
        "teacher does."
    )
    title = "Distillation into a linear student"
    write("distillation", title, note, rows, options.out, details, show=False)


if __name__ == "__main__":
    main()
