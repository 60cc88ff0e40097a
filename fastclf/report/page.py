"""The HTML page that reports on one run."""

from collections.abc import Collection

from fastclf.report import record, results
from fastclf.report.facts import RunFacts
from fastclf.report.layout import page
from fastclf.report.markup import Markup, element
from fastclf.report.probabilities import calibration_error
from fastclf.report.search import search
from fastclf.report.wording import count_text, duration_text, metric_title, number_text

HEADLINES = {
    "multilabel": ("micro_f1", "macro_f1", "subset_accuracy", "roc_auc"),
    "": ("accuracy", "macro_f1", "log_loss", "cross_entropy", "roc_auc"),
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
        results.metrics(facts),
        search(facts),
        results.training(facts),
        results.distillation(facts, lower_is_better),
        results.confusion(facts),
        results.calibration(facts),
        results.thresholds(facts),
        results.names(facts),
        results.coefficients(facts),
        record.data(facts),
        record.recipe(facts),
        record.timing(facts),
    )
    return page(f"{title} · fastclf", _header(facts, title), sections)


def _header(facts: RunFacts, title: str) -> Markup:
    summary = facts.summary
    known = [
        f"{metric_title(summary.kind)} model" if summary.kind else "",
        f"{count_text(len(summary.classes))} {'labels' if facts.several_labels else 'classes'}"
        if summary.classes
        else "",
        f"{count_text(summary.n_features)} features" if summary.n_features is not None else "",
        f"{count_text(summary.n_train)} training rows" if summary.n_train is not None else "",
        f"{count_text(summary.n_test)} test rows" if summary.n_test else "",
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
    name, part = facts.main_part
    figures = facts.metrics.get(name, {})
    keys = HEADLINES.get(facts.summary.task, HEADLINES[""])
    shown = [
        (f"{name} {metric_title(key)}", number_text(figures[key])) for key in keys if key in figures
    ]
    if part.reliability:
        shown.append((f"{name} ECE", number_text(calibration_error(part.reliability))))
    if facts.summary.fit_seconds is not None:
        shown.append(("fit", duration_text(facts.summary.fit_seconds)))
    items = [element("div", element("dt", term), element("dd", text)) for term, text in shown]
    return element("dl", *items, class_="tiles") if items else None
