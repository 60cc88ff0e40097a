"""The section of a report about the search for the best keys."""

import math
from collections.abc import Sequence

from fastclf.report.chart import Line, line_chart
from fastclf.report.facts import RunFacts, Tried, TuneFacts
from fastclf.report.layout import Section, best_text, collapsed, figure_box, grid, section, table
from fastclf.report.markup import Markup, element
from fastclf.report.scales import Scale, scale_of
from fastclf.report.wording import capital, count_text, metric_title, number_text, plain_text

STRENGTH = "model.C"

_MOST_SHOWN = 10  # results in the table that isn't collapsed
_MOST_LISTED = 500
_MOST_BESIDE = 3  # keys of a table that is narrow enough for a chart beside it


def search(facts: RunFacts) -> Section | None:
    """Return the section with the validation curve of the chosen values, and all results."""
    found = facts.summary.tune
    if found is None or not found.results:
        return None
    ranked = sorted(found.results, key=lambda one: one.mean if found.lower_is_better else -one.mean)
    chosen = next((one for one in ranked if one.keys == found.best), None)
    listed = ranked[:_MOST_LISTED]
    rest = None
    if len(listed) > _MOST_SHOWN:
        more = _table("The other results", found, listed[_MOST_SHOWN:], chosen)
        rest = collapsed(f"{count_text(len(listed) - _MOST_SHOWN)} more", more)
    caption = "The best results; a star marks the chosen one"
    curve, best = _curve(found, chosen), _table(caption, found, listed[:_MOST_SHOWN], chosen)
    drawn = [grid([curve, best], "pair")]
    if len(found.best) > _MOST_BESIDE:
        drawn = [grid([curve]), best]
    return section(
        "search",
        "Search",
        *drawn,
        rest,
        lead=_lead(found, chosen),
    )


def _lead(found: TuneFacts, chosen: Tried | None) -> str:
    score = metric_title(found.scoring)
    scored = max(len(one.scores) for one in found.results)
    parts = (
        "one held-out part"
        if found.n_folds == 1
        else f"{count_text(scored)} fold{'s' * (scored > 1)}"
    )
    lead = (
        f"{count_text(len(found.results))} combinations of values were compared by their {score} "
        f"on {parts} of the training rows."
    )
    if chosen is not None:
        values = ", ".join(f"{key} = {_value(value)}" for key, value in chosen.keys.items())
        subject = f"The chosen {values}"
        verbs = ("has", "is")
        if len(chosen.keys) > 1:
            subject, verbs = f"The chosen values, {values},", ("have", "have")
        rule = f"{verbs[0]} the best mean"
        if found.rule == "one_se":
            rule = f"{verbs[1]} the smallest C within one standard error of the best mean"
        lead += f" {subject} {rule}."
    if not found.is_whole:
        lead += " The search ended early, when its time was up."
    return lead


def _others(one: Tried) -> dict[str, object]:
    return {key: value for key, value in one.keys.items() if key != STRENGTH}


def _curve(found: TuneFacts, chosen: Tried | None) -> Markup | None:
    """Return the mean score by C, with the other keys as chosen."""
    if chosen is None or not isinstance(chosen.keys.get(STRENGTH), int | float):
        return None
    alike = [one for one in found.results if _others(one) == _others(chosen)]
    points = sorted((float(one.keys[STRENGTH]), one) for one in alike if one.scores)
    if len(points) < 2:
        return None
    C = [strength for strength, _ in points]
    mean = [one.mean for _, one in points]
    errors = [one.standard_error for _, one in points]
    lines = [Line("mean", C, mean, 0, "solid", C.index(float(chosen.keys[STRENGTH])))]
    for sign in (-1, 1) if any(error is not None for error in errors) else ():
        edge = [
            math.nan if error is None else value + sign * error
            for value, error in zip(mean, errors, strict=True)
        ]
        lines.append(Line("± standard error" if sign > 0 else "", C, edge, 0, "dotted"))
    title = metric_title(found.scoring)
    values = [value for line in lines for value in line.y]
    at = C.index(float(chosen.keys[STRENGTH]))
    drawn = line_chart(
        lines,
        Scale(C[0], C[-1], log=True),
        scale_of(values),
        "C",
        f"Mean {title} by C, from {number_text(mean[0])} at {_value(C[0])} to "
        f"{number_text(mean[-1])} at {_value(C[-1])}; chosen is {number_text(mean[at])} at "
        f"{_value(C[at])}.",
        named=False,
        marked=C[at],
    )
    note = "Dotted: mean ± standard error over the folds." if len(lines) > 1 else ""
    if len(chosen.keys) > 1:
        note = f"The other keys are as chosen. {note}".rstrip()
    side = "lower is better" if found.lower_is_better else "higher is better"
    return figure_box(f"{capital(title)} on held-out rows", drawn, unit=side, note=note)


def _table(
    caption: str, found: TuneFacts, results: Sequence[Tried], chosen: Tried | None
) -> Markup:
    keys = list(found.best)
    short = [key.rpartition(".")[2] for key in keys]
    rows = []
    for one in results:
        mean = number_text(one.mean)
        score = element("th", best_text(mean) if one is chosen else mean, scope="row")
        values = (_value(one.keys.get(key)) for key in keys)
        rows.append((score, number_text(one.standard_error), *values, count_text(len(one.scores))))
    head = [metric_title(found.scoring), "std. error", *short, "folds"]
    return table(caption, head, rows)


def _value(value: object) -> str:
    return plain_text(value) if isinstance(value, float) else str(value)
