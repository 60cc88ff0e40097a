"""The sections of a report about the model: metrics, classes, confusion and coefficients."""

from collections.abc import Collection, Sequence

from fastclf.report.confusion import SHADES, frequent_confusions, matrix
from fastclf.report.facts import Confusion, EvaluationFacts, NameRow, RunFacts
from fastclf.report.layout import (
    Section,
    collapsed,
    figure_box,
    flow,
    grid,
    section,
    table,
)
from fastclf.report.markup import Markup, element
from fastclf.report.tracks import (
    UNIT,
    coefficient_scale,
    coefficient_table,
    metric_panels,
    track,
)
from fastclf.report.wording import (
    capital,
    count_text,
    interval_text,
    metric_title,
    number_text,
    part_title,
    percent_text,
    short_number_text,
)

DISTILLATION_MODELS = ("teacher", "student", "plain_student")

_MOST_BESIDE = 4  # classes of a confusion matrix with the table of the classes beside it
_MOST_DRAWN = 12  # classes with a chart of their coefficients
_MOST_UNFOLDED = 40  # rows of a table of classes that isn't collapsed
_MOST_SHOWN = 15  # rows of a table of classes above one that is collapsed
_MOST_LISTED = 300  # classes whose coefficients are listed


def metrics(facts: RunFacts, lower_is_better: Collection[str]) -> Section | None:
    """Return the section with the metrics on each part of the data, and on other data."""
    main = facts.main_part[0]
    parts = {
        name: figures
        for name, figures in facts.metrics.items()
        if name not in DISTILLATION_MODELS and figures
    }
    if not parts:
        return None
    if main in parts:
        parts = {main: parts[main], **parts}
    baselines = facts.baselines if main in parts else {}
    intervals = facts.intervals
    keys = list(dict.fromkeys(key for figures in parts.values() for key in figures))
    scored = main in parts and any(_is_score(parts[main].get(key)) for key in keys)
    head: list[object] = ["metric"]
    for name in parts:
        head += [part_title(name), *(["95 % interval"] if name in intervals else [])]
        if name == main:
            head += [_axis_head(), *(["baseline"] if baselines else [])] if scored else []
    rows = []
    for key in keys:
        lower = key in lower_is_better
        row: list[object] = [_metric_heading(key, lower)]
        for name, figures in parts.items():
            row.append(number_text(figures.get(key)) if key in figures else "")
            ends = intervals.get(name, {}).get(key)
            if name in intervals:
                row.append(interval_text(ends))
            if name == main and scored:
                value, train = figures.get(key), parts.get("train", {}).get(key)
                if lower or not _is_score(value):
                    row.append(element("td"))
                else:
                    other = train if name != "train" else None
                    row.append(track(UNIT, value, ends, other=other, baseline=baselines.get(key)))
                if baselines:
                    row.append(number_text(baselines[key]) if key in baselines else "")
        rows.append(row)
    notes = []
    if scored and main == "test" and "train" in parts:
        text = "Dots are values on the test rows, bars their intervals, rings training rows"
        text += ", vertical lines the baseline." if baselines else "."
        notes.append(element("p", text, class_="note charted"))
    if baselines:
        text = f"The baseline {facts.baseline_text}."
        notes.append(element("p", text, class_="note"))
    for key, reason in facts.main_part[1].undefined.items():
        text = f"{capital(metric_title(key))} isn't defined on the {part_title(main)}: {reason}."
        notes.append(element("p", text, class_="note"))
    return section(
        "metrics",
        "Results",
        table("Metrics of the model; of those with ↓, lower is better", head, rows, kind="metrics"),
        *notes,
    )


def _is_score(value: float | None) -> bool:
    return value is not None and 0 <= value <= 1


def _axis_head() -> Markup:
    ends = element("div", element("span", "0"), element("span", "1"))
    return element("th", ends, scope="col", class_="track ends", aria_label="chart from 0 to 1")


def _metric_heading(key: str, lower: bool) -> Markup:
    arrow = element("span", " ↓", class_="muted", title="lower is better") if lower else None
    return element("th", metric_title(key), arrow, scope="row")


def distillation(facts: RunFacts, lower_is_better: Collection[str]) -> Section | None:
    """Return the section that compares teacher, student, and the student without a teacher."""
    found = facts.summary.metrics
    names = [name for name in DISTILLATION_MODELS if name in found]
    if len(names) < 2:
        return None
    keys = dict.fromkeys(key for name in names for key in found[name] if facts.is_shown(key))
    figures = {key: [found[name].get(key) for name in names] for key in keys}
    titles = ["plain student" if name == "plain_student" else name for name in names]
    return section(
        "distillation",
        "Teacher and student",
        grid(metric_panels(figures, titles, lower_is_better), "panels"),
        lead="On the test rows. The plain student is the same model, fitted to the labels alone.",
    )


def names(facts: RunFacts) -> Section | None:
    """Return the section with the metrics of each class or label.

    If there are few classes, their table is beside the confusion matrix, so there is no section.
    """
    _, part = facts.main_part
    if _is_small(part.confusion_matrix):
        return None
    drawn = _names_table(facts)
    title = "Labels" if part.per_label else "Classes"
    rows = part.per_class or part.per_label
    if drawn is None or len(rows) <= _MOST_UNFOLDED:
        return section("names", title, drawn)
    frequent = sorted(rows, key=lambda row: -(row.support or 0))[:_MOST_SHOWN]
    few = _names_table(facts, frequent)
    rest = collapsed(f"All {count_text(len(rows))} {title.lower()}", drawn)
    return section("names", title, few, rest)


def _is_small(confusion: Confusion | None) -> bool:
    return confusion is not None and 0 < len(confusion.classes) <= _MOST_BESIDE


def _names_table(facts: RunFacts, some: Sequence[NameRow] | None = None) -> Markup | None:
    """Return a table with a row for each class or label, or for some of them."""
    _, part = facts.main_part
    rows = some or part.per_class or part.per_label
    if not rows:
        return None
    train = facts.parts.get("train", EvaluationFacts())
    trained = {row.name: row.support for row in train.per_class or train.per_label}
    one = "label" if part.per_label else "class"
    is_test = facts.main_part[0] == "test"
    which = f"each of the {len(rows)} most frequent {_noun(facts)}" if some else f"each {one}"
    positive = "positive " if part.per_label else ""
    counts = (f"{positive}test rows", f"{positive}training rows")[not is_test :]
    head = [one, "precision", "recall", "F1", "ROC AUC", *counts]
    totals = (part.n_rows, train.n_rows) if is_test else (part.n_rows,)
    cells = [_name_cells(row, trained.get(row.name), totals) for row in rows]
    return table(
        f"Metrics of {which} on {facts.main_part_text}, and its numbers of rows",
        head,
        cells,
        kind="names",
    )


def _noun(facts: RunFacts) -> str:
    return "labels" if facts.several_labels else "classes"


def _name_cells(row: NameRow, trained: int | None, totals: Sequence[int]) -> list[object]:
    shares = [
        element("td", number_text(value), class_="share", style=f"--v:{value or 0:.3f}")
        for value in (row.precision, row.recall, row.f1, row.roc_auc)
    ]
    counts: list[object] = []
    for count, total in zip((row.support, trained), totals, strict=False):
        share = f" ({percent_text(count / total)})" if count is not None and total else ""
        counts.append(f"{number_text(count)}{share}")
    return [row.name, *shares, *counts]


def confusion(facts: RunFacts) -> Section | None:
    """Return the section with the confusion matrix."""
    _, part = facts.main_part
    if part.confusion_matrix is None or not part.confusion_matrix.classes:
        return None
    drawn = matrix(part.confusion_matrix)
    lead = f"On {facts.main_part_text}."
    return section(
        "confusion",
        "Confusion",
        flow(
            (
                drawn,
                frequent_confusions(part.confusion_matrix),
                _names_table(facts) if _is_small(part.confusion_matrix) else None,
            )
        ),
        lead=f"{lead} {SHADES}" if drawn is not None else lead,
    )


def coefficients(facts: RunFacts) -> Section | None:
    """Return the section with the largest coefficients of each class or label."""
    model = facts.model
    shown = [strongest for strongest in model.strongest if strongest.features]
    if not shown:
        return None
    is_binary = facts.summary.task == "binary"
    classes = facts.summary.classes
    drawn = shown[:_MOST_DRAWN]
    scale = coefficient_scale(drawn)
    # A weight of words never grows by one, by which an odds ratio is defined.
    odds = (is_binary or facts.several_labels) and "text" not in model.kinds
    figures = [
        figure_box(
            f"{classes[1]} against {classes[0]}" if is_binary and len(classes) == 2 else one.name,
            coefficient_table(one, scale, odds=odds),
        )
        for one in drawn
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
        head = ("label" if facts.several_labels else "class", "features")
        listed = table("Largest coefficients", head, rows, kind="text")
        more = collapsed(f"{count_text(len(rows))} more", listed)
    largest = "The coefficients with the largest absolute values"
    if is_binary and len(classes) == 2:
        largest = f"The largest coefficients for “{classes[1]}”, and below 0 for “{classes[0]}”"
    lead = f"{largest}. {_meaning(facts)}"
    zero = model.n_coefficients - model.n_nonzero
    if zero:
        lead += f" {count_text(zero)} of {count_text(model.n_coefficients)} coefficients are 0."
    content = grid(figures, "wide" if len(figures) == 1 else "pair")
    return section("coefficients", "Coefficients", content, more, lead=lead)


def _meaning(facts: RunFacts) -> str:
    """Return what a coefficient means, and which ones can be compared with each other."""
    model = facts.model
    said = []
    unit = {
        "standard": "per standard deviation of its column",
        "minmax": "per range of its column, from the smallest to the largest training value",
        "maxabs": "per largest absolute value of its column in the training rows",
    }.get(model.scaling)
    change = "A coefficient is the change of the logit"
    if unit is not None:
        said.append(f"{change} {unit}.")
    elif "number" in model.kinds or not model.kinds:
        said.append(
            f"{change} per unit of its feature. Features are not scaled, so sizes of coefficients "
            "of features in different units can't be compared."
        )
    if "category" in model.kinds:
        said.append(
            "A feature named column=category is 1 in rows of that category and 0 in others, and "
            "is not scaled."
        )
    if "text" in model.kinds:
        said.append(
            "A feature named column: words is a TF-IDF weight, from 0 in rows without these words "
            "to 1 at most; the coefficient times the weight is added to the logit."
        )
    if unit is not None and len(model.kinds) == 1:
        said.append("All features are scaled alike, so their coefficients can be compared.")
    elif unit is not None and len(model.kinds) > 1:
        said.append("Compare coefficients only within one of these kinds.")
    return " ".join(said)
