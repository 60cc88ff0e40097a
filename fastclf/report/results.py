"""The sections of a report about the model: metrics, curves, calibration, coefficients."""

from collections.abc import Collection, Mapping

from fastclf.report.bars import coefficient_bars, dot_chart
from fastclf.report.confusion import MOST_IN_TABLE, frequent_confusions, matrix
from fastclf.report.facts import Calibration, EvaluationFacts, NameRow, RunFacts
from fastclf.report.layout import (
    Section,
    best_cells,
    collapsed,
    figure_box,
    grid,
    legend,
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
from fastclf.report.wording import (
    count_text,
    interval_text,
    metric_title,
    number_text,
    short_number_text,
)

DISTILLATION_MODELS = ("teacher", "student", "plain_student")

_MOST_BESIDE = 12  # classes of a confusion matrix that is narrow enough for a table beside it
_MOST_DRAWN = 12  # classes with a chart of their coefficients
_MOST_UNFOLDED = 60  # rows of a table of classes that isn't collapsed
_MOST_LISTED = 300  # classes whose coefficients are listed


def metrics(facts: RunFacts) -> Section | None:
    """Return the section with the metrics on each part of the data, and on other data."""
    parts = {
        name: figures
        for name, figures in facts.metrics.items()
        if name not in DISTILLATION_MODELS and figures
    }
    if not parts:
        return None
    intervals = facts.intervals
    head = ["metric"]
    for name in parts:
        head += [name, "95 % interval"] if name in intervals else [name]
    rows = []
    for key in dict.fromkeys(key for figures in parts.values() for key in figures):
        row = [metric_title(key)]
        for name, figures in parts.items():
            row.append(number_text(figures.get(key)))
            if name in intervals:
                row.append(interval_text(intervals[name].get(key)))
        rows.append(row)
    return section("metrics", "Metrics", table("Metrics of the model", head, rows))


def training(facts: RunFacts) -> Section | None:
    """Return the section with the training curves."""
    return section("training", "Training", grid(training_figures(facts.steps, facts.minibatch)))


def distillation(facts: RunFacts, lower_is_better: Collection[str]) -> Section | None:
    """Return the section that compares teacher, student, and the student without a teacher."""
    found = facts.summary.metrics
    names = [name for name in DISTILLATION_MODELS if name in found]
    if len(names) < 2:
        return None
    keys = dict.fromkeys(key for name in names for key in found[name])
    figures = {key: [found[name].get(key) for name in names] for key in keys}
    titles = ["plain student" if name == "plain_student" else name for name in names]
    rows = [
        (metric_title(key), *best_cells(values, key in lower_is_better))
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
        "Teacher and student",
        legend(titles, ["dot"]),
        grid(charts),
        table("Teacher, student, and the student without a teacher", ("metric", *titles), rows),
        lead="On the test rows. The plain student is the same model, fitted to the labels alone.",
    )


def _dots(figures: Mapping[str, list[float | None]], names: list[str]) -> Markup:
    alt_text = "; ".join(
        f"{metric_title(key)}: "
        + ", ".join(
            f"{name} {number_text(value)}" for name, value in zip(names, values, strict=True)
        )
        for key, values in figures.items()
    )
    return dot_chart(
        {metric_title(key): values for key, values in figures.items()}, names, alt_text
    )


def confusion(facts: RunFacts) -> Section | None:
    """Return the section with the confusion matrix."""
    _, part = facts.main_part
    if part.confusion_matrix is None or not part.confusion_matrix.classes:
        return None
    shown = (matrix(part.confusion_matrix), frequent_confusions(part.confusion_matrix))
    beside = not _MOST_BESIDE < len(part.confusion_matrix.classes) <= MOST_IN_TABLE
    content = (grid(shown, "pair"),) if beside else shown
    return section("confusion", "Confusion", *content, lead=f"On {facts.main_part_text}.")


def calibration(facts: RunFacts) -> Section | None:
    """Return the section about the calibration of the probabilities."""
    _, part = facts.main_part
    found = part.reliability
    if not found:
        return None
    if facts.several_labels:
        what, came_true = "predicted probability of a label", "share that has the label"
    else:
        what, came_true = "probability of the predicted class", "share that is right"
    head = ("probability", "predictions", "mean", "came true", "gap")
    lead = (
        f"On {facts.main_part_text}. Below the dashed line the model is overconfident, above it "
        "underconfident. ECE is the mean distance from that line."
    )
    changed = facts.summary.calibration
    if changed is not None and changed.temperature is not None:
        lead += (
            f" Logits were divided by a temperature of {short_number_text(changed.temperature)}."
        )
    return section(
        "calibration",
        "Calibration",
        grid(
            (
                reliability_figure(found, "Reliability", what, came_true),
                table("Reliability by bin", head, reliability_rows(found)),
            ),
            "pair",
        ),
        None if changed is None else _changes(changed),
        lead=lead,
    )


def _changes(changed: Calibration) -> Markup | None:
    keys = [key for key in changed.before if key in changed.after]
    rows = [
        (metric_title(key), number_text(changed.before[key]), number_text(changed.after[key]))
        for key in keys
    ]
    caption = f"Before and after calibration, on the {count_text(changed.n_rows)} calibration rows"
    return table(caption, ("metric", "before", "after"), rows) if rows else None


def thresholds(facts: RunFacts) -> Section | None:
    """Return the section with precision, recall and F1 of the labels by threshold."""
    _, part = facts.main_part
    found = part.threshold_curves
    if found is None:
        return None
    top_k = facts.model.top_k
    own = facts.model.thresholds if top_k is None else []
    chosen = dict(zip(facts.summary.classes, own, strict=False))
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
    rule = "A label is predicted where its probability is above its threshold, the dashed line."
    if top_k is not None:
        rule = f"Each row gets its {top_k} most probable labels instead."
    lead = f"On {facts.main_part_text}. {rule}"
    lead += f" {count_text(more)} rarer labels have no chart." if more > 0 else ""
    return section("thresholds", "Thresholds", legend(*THRESHOLD_KEYS), grid(figures), lead=lead)


def names(facts: RunFacts) -> Section | None:
    """Return the section with the metrics of each class or label."""
    _, part = facts.main_part
    rows = part.per_class or part.per_label
    if not rows:
        return None
    train = facts.parts.get("train", EvaluationFacts())
    trained = {row.name: row.support for row in train.per_class or train.per_label}
    one = "label" if part.per_label else "class"
    head = [one, "precision", "recall", "F1", "ROC AUC", "rows"]
    is_test = facts.main_part[0] == "test"
    cells = [_name_cells(row, trained.get(row.name), is_test) for row in rows]
    title = "Labels" if part.per_label else "Classes"
    drawn = table(
        f"Metrics of each {one}, on {facts.main_part_text}",
        [*head, "training rows"] if is_test else head,
        cells,
        kind="names",
    )
    if len(rows) > _MOST_UNFOLDED:
        drawn = collapsed(f"All {count_text(len(rows))} {title.lower()}", drawn)
    return section("names", title, drawn)


def _name_cells(row: NameRow, trained: int | None, is_test: bool) -> list[object]:
    shares = [
        element("td", number_text(value), class_="share", style=f"--v:{value or 0:.3f}")
        for value in (row.precision, row.recall, row.f1, row.roc_auc)
    ]
    counts = [row.support, trained] if is_test else [row.support]
    return [row.name, *shares, *(number_text(value) for value in counts)]


def coefficients(facts: RunFacts) -> Section | None:
    """Return the section with the largest coefficients of each class or label."""
    model = facts.model
    shown = [strongest for strongest in model.strongest if strongest.features]
    if not shown:
        return None
    is_binary = facts.summary.task == "binary"
    names = facts.summary.classes
    figures = [
        figure_box(
            f"{names[1]} against {names[0]}" if is_binary and len(names) == 2 else strongest.name,
            coefficient_bars(strongest),
        )
        for strongest in shown[:_MOST_DRAWN]
    ]
    more = None
    if len(shown) > _MOST_DRAWN:
        rows = [
            (
                one.name,
                ", ".join(f"{name} {short_number_text(value)}" for name, value in one.features),
            )
            for one in shown[_MOST_DRAWN:_MOST_LISTED]
        ]
        listed = table("Largest coefficients", ("of", "features"), rows, kind="text")
        more = collapsed(f"{count_text(len(rows))} more", listed)
    zero = model.n_coefficients - model.n_nonzero
    lead = (
        "The largest absolute coefficients: the change of the logit when the feature grows by one."
    )
    lead += " Features are scaled, so their coefficients can be compared." if model.scaled else ""
    if zero:
        lead += f" {count_text(zero)} of {count_text(model.n_coefficients)} coefficients are 0."
    return section("coefficients", "Coefficients", grid(figures), more, lead=lead)
