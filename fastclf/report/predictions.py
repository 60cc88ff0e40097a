"""The sections of a report about probabilities: calibration, and the choice of thresholds."""

from collections.abc import Sequence

from fastclf.report.facts import (
    Calibration,
    RunFacts,
    Threshold,
    ThresholdCurve,
    ThresholdCurves,
)
from fastclf.report.layout import Section, flow, grid, legend, section, table
from fastclf.report.markup import Markup
from fastclf.report.probabilities import (
    CURVE_HEIGHT,
    PREDICTED_POSITIVE,
    THRESHOLD_KEYS,
    precision_recall_figure,
    reliability_figure,
    reliability_rows,
    roc_figure,
    threshold_figure,
)
from fastclf.report.wording import count_text, metric_title, number_text, short_number_text

_OPTIMISTIC = (
    "The threshold that is best for these rows looks better here than it will on new rows; tune it "
    "on other rows, with [calibrate]."
)


def calibration(facts: RunFacts) -> Section | None:
    """Return the section about the calibration of the probabilities."""
    _, part = facts.main_part
    positive = part.positive_class
    found, what, observed = part.reliability, "the predicted class", "accuracy"
    error_name, error = "ECE", "ECE, the expected calibration error,"
    if facts.several_labels:
        what, observed = "each label", "fraction of positives"
    elif positive is not None and positive.reliability:
        found, what = positive.reliability, f"“{positive.name}”"
        observed = "fraction of positives"
        error_name, error = "calibration error", "The calibration error"
    if not found:
        return None
    head = ("predicted probability", "predictions", "mean", observed, "difference")
    lead = (
        f"On {facts.main_part_text}, for the probability of {what}. {error} is the mean distance "
        "of predictions from the dashed line."
    )
    if observed == "accuracy":
        lead += " Above the line the model is underconfident, below it overconfident."
    elif found is not part.reliability:
        lead += " ECE, among the results, is that of the predicted class."
    changed = facts.summary.calibration
    if changed is not None and changed.temperature is not None:
        temperature = short_number_text(changed.temperature)
        lead += f" Logits were divided by a temperature of {temperature}."
    return section(
        "calibration",
        "Calibration",
        flow(
            (
                reliability_figure(found, f"Reliability for {what}", observed, error_name),
                table("Reliability by bin", head, reliability_rows(found)),
            )
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
    """Return the section with the curves over thresholds: of two classes, or of labels."""
    _, part = facts.main_part
    if part.threshold_curves is not None:
        return _label_thresholds(facts, part.threshold_curves)
    positive = part.positive_class
    if positive is None:
        return None
    own = facts.model.thresholds[0] if len(facts.model.thresholds) == 1 else 0.5
    found, curve = [], positive.threshold_curve
    if curve is not None:
        curves = {**_curves(curve), PREDICTED_POSITIVE: curve.predicted_positive}
        title = f"Threshold for “{positive.name}”"
        found.append(threshold_figure(curve.thresholds, curves, own, title, CURVE_HEIGHT))
    if positive.roc_curve is not None:
        found.append(roc_figure(positive.roc_curve))
    if positive.precision_recall_curve is not None:
        support = [row.support for row in part.per_class if row.name == positive.name]
        share = support[0] / part.n_rows if support and support[0] and part.n_rows else None
        found.append(precision_recall_figure(positive.precision_recall_curve, share))
    tuned = None if facts.summary.calibration is None else facts.summary.calibration.threshold
    rule = "" if tuned is None else f", {tuned.rule}"
    lead = (
        f"On {facts.main_part_text}. “{positive.name}” is predicted if its probability is above "
        f"the model's threshold, the dashed vertical line{rule}. Predicted positive is the "
        f"fraction of rows above a threshold. {_OPTIMISTIC}"
    )
    keys = None if curve is None else legend(*THRESHOLD_KEYS)
    return section("thresholds", "Thresholds", keys, grid(found), lead=lead)


def _curves(curve: Threshold | ThresholdCurve) -> dict[str, Sequence[float | None]]:
    return {"F1": curve.f1, "precision": curve.precision, "recall": curve.recall}


def _label_thresholds(facts: RunFacts, found: ThresholdCurves) -> Section | None:
    """Return the section with precision, recall and F1 of the labels by threshold."""
    top_k = facts.model.top_k
    own = facts.model.thresholds if top_k is None else []
    chosen = dict(zip(facts.summary.classes, own, strict=False))
    alike = set(chosen.values())
    common = alike.pop() if len(alike) == 1 else None
    figures = [threshold_figure(found.thresholds, _curves(found.micro), common, "All labels")]
    if len(facts.summary.classes) > 1:
        figures += [
            threshold_figure(found.thresholds, _curves(label), chosen.get(label.name), label.name)
            for label in found.labels
        ]
    more = len(facts.summary.classes) - len(found.labels)
    rule = (
        "A label is predicted if its probability is above its threshold, the dashed vertical line."
    )
    if top_k is not None:
        rule = f"Each row gets its {top_k} most probable labels instead."
    lead = f"On {facts.main_part_text}. {rule}"
    lead += f" {count_text(more)} rarer labels have no chart." if more > 0 else ""
    lead += f" {_OPTIMISTIC}"
    keys = legend(*(key[:3] for key in THRESHOLD_KEYS))
    return section("thresholds", "Thresholds", keys, grid(figures), lead=lead)
