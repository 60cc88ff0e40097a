"""The HTML page that reports on one run."""

from collections.abc import Collection

from fastclf.report import predictions, record, results
from fastclf.report.facts import RunFacts
from fastclf.report.layout import page
from fastclf.report.markup import Markup, element
from fastclf.report.search import search
from fastclf.report.training import training
from fastclf.report.wording import (
    capital,
    count_text,
    date_text,
    duration_text,
    interval_text,
    metric_title,
    number_text,
    part_title,
)

HEADLINES = {
    "multilabel": ("micro_f1", "macro_f1", "subset_accuracy", "roc_auc", "ece"),
    "": ("accuracy", "macro_f1", "log_loss", "cross_entropy", "kl_divergence", "roc_auc", "ece"),
}


def report_page(facts: RunFacts, lower_is_better: Collection[str]) -> str:
    """Return the HTML of the self-contained report of a run.

    Sections without content are omitted. Equal facts give equal HTML.

    Parameters
    ----------
    facts : RunFacts
    lower_is_better : collection of str
        The metrics for which a smaller value is better.
    """
    title = facts.summary.name or "A run"
    sections = (
        results.metrics(facts, lower_is_better),
        results.distillation(facts, lower_is_better),
        results.confusion(facts),
        results.names(facts),
        predictions.calibration(facts),
        results.coefficients(facts),
        predictions.thresholds(facts),
        record.data(facts),
        search(facts),
        training(facts),
        record.recipe(facts),
        record.timing(facts),
    )
    return page(f"{title} · fastclf", _header(facts, title), sections)


def _header(facts: RunFacts, title: str) -> Markup:
    summary = facts.summary
    known = [
        f"{capital(metric_title(summary.kind))} model" if summary.kind else "",
        f"{count_text(len(summary.classes))} {'labels' if facts.several_labels else 'classes'}"
        if summary.classes
        else "",
        f"{count_text(summary.n_features)} features" if summary.n_features is not None else "",
        f"{count_text(summary.n_train)} training rows" if summary.n_train is not None else "",
        f"{count_text(summary.n_test)} test rows" if summary.n_test else "",
    ]
    done = [
        f"Finished {date_text(summary.finished)}" if summary.finished else "",
        f"fitted in {duration_text(summary.fit_seconds)}" if summary.fit_seconds else "",
        f"solver: {record.solver_text(facts)}" if summary.solver or summary.plan else "",
    ]
    warnings = [element("li", warning) for warning in summary.warnings]
    return element(
        "header",
        element("h1", title),
        *(_line(texts) for texts in (known, done)),
        _headlines(facts),
        element("ul", *warnings, class_="warnings", aria_label="Warnings") if warnings else None,
    )


def _line(texts: Collection[str]) -> Markup | None:
    text = " · ".join(text for text in texts if text)
    return element("p", capital(text), class_="lead") if text else None


def _headlines(facts: RunFacts) -> Markup | None:
    name = facts.main_part[0]
    figures = facts.metrics.get(name, {})
    intervals, baselines = facts.intervals.get(name, {}), facts.baselines
    keys = HEADLINES.get(facts.summary.task, HEADLINES[""])
    tiles = []
    for key in keys:
        if figures.get(key) is None:
            continue
        notes = [
            interval_text(intervals.get(key)),
            f"baseline {number_text(baselines[key])}" if key in baselines else "",
        ]
        small = (element("dd", note, class_="note") for note in notes if note)
        tiles.append(
            element(
                "div",
                element("dt", capital(metric_title(key))),
                element("dd", number_text(figures[key])),
                *small,
            )
        )
    if not tiles:
        return None
    text = f"On the {part_title(name)}{', with intervals of 95 %' if intervals else ''}"
    if name == "train":
        text += ". No test rows were held out, so these values are too optimistic."
    caption = element("p", text, class_="caption")
    return element("div", caption, element("dl", *tiles, class_="tiles"))
