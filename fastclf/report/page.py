"""The report of a run, as one page."""

from collections.abc import Collection, Mapping

from fastclf.report.bars import coefficient_bars, dots
from fastclf.report.confusion import MOST_READ, matrix, most_frequent
from fastclf.report.facts import Judged, NameRow, RunFacts
from fastclf.report.layout import (
    facts_list,
    figure_box,
    folded,
    grid,
    legend,
    links,
    page,
    scrolled,
    section,
    table,
)
from fastclf.report.markup import Markup, element
from fastclf.report.probabilities import (
    THRESHOLD_KEYS,
    reliability_figure,
    reliability_rows,
    threshold_figure,
)
from fastclf.report.training import training_figures
from fastclf.report.wording import brief, count, figure, seconds, spoken

TITLES = {
    "metrics": "Metrics",
    "training": "Training",
    "distillation": "Teacher and student",
    "confusion": "Confusion",
    "calibration": "Calibration",
    "thresholds": "Thresholds",
    "names": "Classes",
    "coefficients": "Coefficients",
    "data": "Data",
    "recipe": "Recipe",
    "timing": "Timing and versions",
}
OF_TEACHING = ("teacher", "student", "plain_student")
HEADLINES = {
    "multilabel": ("micro_f1", "macro_f1", "subset_accuracy", "roc_auc"),
    "": ("accuracy", "macro_f1", "log_loss", "cross_entropy", "roc_auc"),
}
ENDS = {
    "converged": "converged",
    "early_stopping": "stopped early: the validation loss no longer fell",
    "max_iter": "stopped at the most steps that the recipe allows",
    "precision": "stopped where arithmetic allows no further progress",
    "stopped": "stopped on request",
}

_MOST_BESIDE = 12  # classes of a confusion matrix that leaves room beside it
_MOST_DRAWN = 12  # classes with a drawing of their coefficients
_MOST_LISTED = 300


def report_page(facts: RunFacts, lower_is_better: Collection[str]) -> str:
    """Return the report of a run: HTML that needs no other file.

    Parts that the run has nothing for are left out. The same facts give the same text.

    Parameters
    ----------
    facts : RunFacts
    lower_is_better : collection of str
        The metrics of which a smaller figure is the better one.
    """
    title = facts.summary.name or "A run"
    titles = {**TITLES, "names": "Labels" if _several(facts) else "Classes"}
    builders = {
        "metrics": _metrics(facts),
        "training": section("training", titles["training"], grid(_training(facts))),
        "distillation": _distillation(facts, lower_is_better),
        "confusion": _confusion(facts),
        "calibration": _calibration(facts),
        "thresholds": _thresholds(facts),
        "names": _names(facts, titles["names"]),
        "coefficients": _coefficients(facts),
        "data": _data(facts),
        "recipe": _recipe(facts),
        "timing": _timing(facts),
    }
    return page(
        f"{title} · fastclf",
        _header(facts, title),
        links(builders.values(), titles),
        *builders.values(),
    )


def judged(facts: RunFacts) -> tuple[str, Judged]:
    """Return the part by which the model is judged: the test rows, or else the training rows."""
    own = [name for name in ("test", "train") if name in facts.parts]
    return (own[0], facts.parts[own[0]]) if own else ("", Judged())


def metrics_of(facts: RunFacts) -> dict[str, dict[str, float | None]]:
    """Return the metrics of each part, those of the run's own data first."""
    found = dict(facts.summary.metrics)
    for name, part in facts.parts.items():
        found[name] = {**found.get(name, {}), **part.metrics}
    return found


def _several(facts: RunFacts) -> bool:
    return facts.summary.task == "multilabel"


def _rows_of(facts: RunFacts) -> str:
    name, part = judged(facts)
    kind = {"train": "training", "": ""}.get(name, name)
    return f"{count(part.n_rows)} {kind} rows"


def _header(facts: RunFacts, title: str) -> Markup:
    summary = facts.summary
    known = [
        f"{spoken(summary.kind)} model" if summary.kind else "",
        f"{count(len(summary.classes))} {'labels' if _several(facts) else 'classes'}"
        if summary.classes
        else "",
        f"{count(summary.n_features)} features" if summary.n_features is not None else "",
        f"{count(summary.n_train)} training rows" if summary.n_train is not None else "",
        f"{count(summary.n_test)} test rows" if summary.n_test else "",
    ]
    warnings = [element("li", warning) for warning in summary.warnings]
    return element(
        "header",
        element("h1", title),
        element("p", " · ".join(text for text in known if text), class_="lead"),
        _headlines(facts),
        element("ul", *warnings, class_="warnings", aria_label="Warnings") if warnings else None,
    )


def _headlines(facts: RunFacts) -> Markup | None:
    name, part = judged(facts)
    figures = metrics_of(facts).get(name, {})
    keys = HEADLINES.get(facts.summary.task, HEADLINES[""])
    shown = [(f"{name} {spoken(key)}", figure(figures[key])) for key in keys if key in figures]
    if part.reliability is not None:
        shown.append((f"{name} ECE", figure(part.reliability.ece)))
    if facts.summary.fit_seconds is not None:
        shown.append(("fit", seconds(facts.summary.fit_seconds)))
    items = [element("div", element("dt", term), element("dd", text)) for term, text in shown]
    return element("dl", *items, class_="tiles") if items else None


def _metrics(facts: RunFacts) -> Markup | None:
    parts = {
        name: figures
        for name, figures in metrics_of(facts).items()
        if name not in OF_TEACHING and figures
    }
    if not parts:
        return None
    keys = dict.fromkeys(key for figures in parts.values() for key in figures)
    rows = [(spoken(key), *(figure(part.get(key)) for part in parts.values())) for key in keys]
    return section("metrics", "Metrics", table("What the model is worth", ("metric", *parts), rows))


def _training(facts: RunFacts) -> list[Markup]:
    return training_figures(facts.steps, facts.minibatch)


def _distillation(facts: RunFacts, lower_is_better: Collection[str]) -> Markup | None:
    found = facts.summary.metrics
    names = [name for name in OF_TEACHING if name in found]
    if len(names) < 2:
        return None
    keys = dict.fromkeys(key for name in names for key in found[name])
    figures = {key: [found[name].get(key) for name in names] for key in keys}
    titles = ["plain student" if name == "plain_student" else name for name in names]
    rows = [
        (spoken(key), *best_cells(values, key in lower_is_better))
        for key, values in figures.items()
    ]
    charts = []
    for lower, title in ((False, "Higher is better"), (True, "Lower is better")):
        chosen = {
            key: values for key, values in figures.items() if (key in lower_is_better) == lower
        }
        if chosen:
            charts.append(figure_box(title, _dots(chosen, titles)))
    return section(
        "distillation",
        TITLES["distillation"],
        legend(titles, ["dot"]),
        grid(charts),
        table("Teacher, student, and the student without a teacher", ("metric", *titles), rows),
        told="On the test rows. The plain student is the same model, fitted to the labels alone.",
    )


def _dots(figures: Mapping[str, list[float | None]], names: list[str]) -> Markup:
    told = "; ".join(
        f"{spoken(key)}: "
        + ", ".join(f"{name} {figure(value)}" for name, value in zip(names, values, strict=True))
        for key, values in figures.items()
    )
    return dots({spoken(key): values for key, values in figures.items()}, names, told)


def best_cells(values: list[float | None], lower: bool) -> list[Markup]:
    """Return cells of a table; the best figure is bold, and none where all are equal."""
    known = [value for value in values if value is not None]
    best = (min if lower else max)(known) if len(set(known)) > 1 else None
    return [
        element("td", figure(value), class_="best" if value is not None and value == best else None)
        for value in values
    ]


def _confusion(facts: RunFacts) -> Markup | None:
    _, part = judged(facts)
    if part.confusion_matrix is None or not part.confusion_matrix.classes:
        return None
    shown = (matrix(part.confusion_matrix), most_frequent(part.confusion_matrix))
    beside = not _MOST_BESIDE < len(part.confusion_matrix.classes) <= MOST_READ
    content = (grid(shown, "pair"),) if beside else shown
    return section("confusion", TITLES["confusion"], *content, told=f"On {_rows_of(facts)}.")


def _calibration(facts: RunFacts) -> Markup | None:
    _, part = judged(facts)
    found = part.reliability
    if found is None or not found.bins:
        return None
    if _several(facts):
        what, came_true = "predicted probability of a label", "part that is there"
    else:
        what, came_true = "probability of the predicted class", "part that is right"
    head = ("probability", "predictions", "mean", "came true", "gap")
    return section(
        "calibration",
        TITLES["calibration"],
        grid(
            (
                reliability_figure(found, "Reliability", what, came_true),
                table("Reliability by bin", head, reliability_rows(found)),
            ),
            "pair",
        ),
        told=f"On {_rows_of(facts)}. Points below the dashed line: the model promises too much; "
        "above it: too little. ECE is the mean distance from that line.",
    )


def _thresholds(facts: RunFacts) -> Markup | None:
    _, part = judged(facts)
    found = part.threshold_curves
    if found is None:
        return None
    chosen = dict(zip(facts.summary.classes, facts.model.thresholds, strict=False))
    alike = set(chosen.values())
    figures = [
        threshold_figure(
            found.thresholds, found.micro, alike.pop() if len(alike) == 1 else None, "All labels"
        )
    ]
    if len(facts.summary.classes) > 1:
        figures += [
            threshold_figure(found.thresholds, label, chosen.get(label.name), label.name)
            for label in found.labels
        ]
    more = len(facts.summary.classes) - len(found.labels)
    told = (
        f"On {_rows_of(facts)}. A label is predicted where its probability is above its threshold."
    )
    told += f" Those of {count(more)} rarer labels aren't drawn." if more > 0 else ""
    return section(
        "thresholds", TITLES["thresholds"], legend(*THRESHOLD_KEYS), grid(figures), told=told
    )


def _names(facts: RunFacts, title: str) -> Markup | None:
    _, part = judged(facts)
    rows = part.per_class or part.per_label
    if not rows:
        return None
    train = facts.parts.get("train", Judged())
    trained = {row.name: row.support for row in train.per_class or train.per_label}
    one = "label" if part.per_label else "class"
    head = [one, "precision", "recall", "F1", "ROC AUC", "rows"]
    is_test = judged(facts)[0] == "test"
    cells = [_name_cells(row, trained.get(row.name), is_test) for row in rows]
    drawn = table(
        f"Figures of each {one}, on {_rows_of(facts)}",
        [*head, "training rows"] if is_test else head,
        cells,
        kind="names",
    )
    return section("names", title, folded(f"All {len(rows)}", drawn) if len(rows) > 60 else drawn)


def _name_cells(row: NameRow, trained: int | None, is_test: bool) -> list[object]:
    shares = [
        element("td", figure(value), class_="share", style=f"--v:{value or 0:.3f}")
        for value in (row.precision, row.recall, row.f1, row.roc_auc)
    ]
    counts = [row.support, trained] if is_test else [row.support]
    return [row.name, *shares, *(figure(value) for value in counts)]


def _coefficients(facts: RunFacts) -> Markup | None:
    model = facts.model
    shown = [strongest for strongest in model.strongest if strongest.features]
    if not shown:
        return None
    two = facts.summary.task == "binary"
    names = facts.summary.classes
    figures = [
        figure_box(
            f"{names[1]} against {names[0]}" if two and len(names) == 2 else strongest.name,
            coefficient_bars(strongest),
        )
        for strongest in shown[:_MOST_DRAWN]
    ]
    more = None
    if len(shown) > _MOST_DRAWN:
        rows = [
            (
                strongest.name,
                ", ".join(f"{name} {figure(value)}" for name, value in strongest.features),
            )
            for strongest in shown[_MOST_DRAWN:_MOST_LISTED]
        ]
        more = folded(
            f"{count(len(rows))} more",
            table("Largest coefficients", ("of", "features"), rows, kind="text"),
        )
    zero = model.n_coefficients - model.n_nonzero
    told = (
        "The features with the largest coefficients: how much one more of each adds to the logit."
    )
    told += " Features are scaled, so their coefficients can be compared." if model.scaled else ""
    if zero:
        told += f" {count(zero)} of {count(model.n_coefficients)} coefficients are 0."
    return section("coefficients", TITLES["coefficients"], grid(figures), more, told=told)


def _data(facts: RunFacts) -> Markup | None:
    summary, data = facts.summary, facts.data
    source = next((data[key] for key in ("path", "card", "name") if data.get(key)), None)
    target = data.get("target")
    known = facts_list(
        (
            ("source", source),
            ("target", ", ".join(map(str, target)) if isinstance(target, list) else target),
            ("training rows", None if summary.n_train is None else count(summary.n_train)),
            ("test rows", None if summary.n_test is None else count(summary.n_test)),
            ("columns", count(len(facts.model.columns)) if facts.model.columns else None),
            ("features", None if summary.n_features is None else count(summary.n_features)),
            ("scaling", data.get("scale")),
            ("missing values", data.get("impute") if facts.model.columns else None),
            ("precision", data.get("dtype")),
            ("sha256", _sha256(summary.data_sha256)),
        )
    )
    return section("data", TITLES["data"], known)


def _sha256(digest: str) -> Markup | None:
    return element("code", f"{digest[:16]}…", title=digest) if digest else None


def _recipe(facts: RunFacts) -> Markup | None:
    if not facts.recipe:
        return None
    shown = scrolled(element("pre", element("code", facts.recipe)), "Recipe")
    return section("recipe", TITLES["recipe"], shown, told="With all its defaults (config.toml).")


def _timing(facts: RunFacts) -> Markup | None:
    summary = facts.summary
    last = facts.steps[-1] if facts.steps else {}
    passes = last.get("passes")
    took = summary.fit_seconds
    steps = summary.n_iter
    unit = "epochs" if facts.minibatch else "iterations"
    speed = None
    if isinstance(passes, int | float) and took and summary.n_train:
        speed = f"{count(passes * summary.n_train / took)} a second"
    known = facts_list(
        (
            ("fit", None if took is None else seconds(took)),
            (unit, None if steps is None else count(steps)),
            ("passes over the rows", f"{passes:.4g}" if isinstance(passes, int | float) else None),
            ("rows read", speed),
            (f"an {unit[:-1]}", seconds(took / steps) if took and steps else None),
            ("end", ENDS.get(summary.status, summary.status)),
            ("solver", summary.solver),
            ("seed", None if summary.seed is None else str(summary.seed)),
            *summary.versions.items(),
        )
    )
    return section("timing", TITLES["timing"], known)
