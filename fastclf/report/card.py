"""The model card of a run: what the model is, how good it is and where its limits are, in Markdown.

The idea is that of Mitchell et al., *Model cards for model reporting* (FAT* 2019).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from fastclf.report.facts import RunFacts
from fastclf.report.markup import escape
from fastclf.report.probabilities import calibration_error
from fastclf.report.record import ENDS
from fastclf.report.wording import (
    count_text,
    metric_title,
    number_text,
    part_title,
    short_number_text,
)

FEW_ROWS = 20
"""A class with fewer training or test rows than this is named among the limits."""

_STRONGEST = 5  # coefficients of each class
_MOST_CLASSES = 50  # classes that are listed

_MARKS = re.compile(r"([\\`*_{}\[\]#|~])")
_OWN_PARTS = {"train": "training", "test": "test", "uncalibrated": "test, uncalibrated"}


def model_card(facts: RunFacts) -> str:
    r"""Return the model card of a run as Markdown; equal facts give equal text.

    Parameters
    ----------
    facts : RunFacts

    Examples
    --------
    >>> from fastclf.report.card import model_card
    >>> from fastclf.report.facts import RunFacts
    >>> facts = RunFacts.model_validate({"summary": {"name": "a_b", "classes": ["x", "y"]}})
    >>> print(model_card(facts).splitlines()[0])
    # a\_b
    """
    summary = facts.summary
    noun = "labels" if facts.several_labels else "classes"
    kind = f"{metric_title(summary.kind)} " if summary.kind else ""
    lead = f"A linear {kind}model for {len(summary.classes)} {noun}, trained by fastclf."
    sections = [
        f"# {_text(summary.name or 'A run')}\n\n{_text(lead)}",
        _section("Data", _data(facts)),
        _section("Metrics", _metrics(facts)),
        _section("Calibration", _calibration(facts)),
        _section("Strongest coefficients", _coefficients(facts)),
        _section("Limits", _list(_limits(facts))),
        _section("Recipe", _code(facts.recipe)),
        _section("Versions", _list(f"{_text(k)} {_text(v)}" for k, v in summary.versions.items())),
    ]
    return "\n\n".join(text for text in sections if text) + "\n"


def _data(facts: RunFacts) -> str:
    summary, data = facts.summary, facts.data
    target = data.get("target")
    calibration = None if summary.calibration is None else summary.calibration.n_rows
    shown = summary.classes[:_MOST_CLASSES]
    more = len(summary.classes) - len(shown)
    known = (
        ("source", next((data[key] for key in ("path", "card", "name") if data.get(key)), None)),
        ("target", ", ".join(map(str, target)) if isinstance(target, list | tuple) else target),
        ("training rows", summary.n_train),
        ("calibration rows", calibration),
        ("test rows", summary.n_test),
        ("columns", len(facts.model.columns) or None),
        ("features", summary.n_features),
        (
            "labels" if facts.several_labels else "classes",
            ", ".join(shown) + (f" and {count_text(more)} more" if more else "") or None,
        ),
        ("sha256", summary.data_sha256 or None),
    )
    return _list(
        f"{name}: {count_text(value) if isinstance(value, int) else _text(value)}"
        for name, value in known
        if value is not None
    )


def _metrics(facts: RunFacts) -> str:
    parts = {
        title: facts.metrics[name] for name, title in _OWN_PARTS.items() if facts.metrics.get(name)
    }
    keys = dict.fromkeys(key for figures in parts.values() for key in figures)
    rows = [
        (_text(metric_title(key)), *(number_text(figures.get(key)) for figures in parts.values()))
        for key in keys
    ]
    name = facts.main_part[0]
    baselines = facts.baselines if name in facts.metrics else {}
    if not baselines:
        return _table(("metric", *parts), rows)
    shown = [
        (*row, number_text(baselines[key]) if key in baselines else "")
        for key, row in zip(keys, rows, strict=True)
    ]
    text = f"The baseline, on the {part_title(name)}, {facts.baseline_text}."
    return f"{_table(('metric', *parts, 'baseline'), shown)}\n\n{_text(text)}"


def _calibration(facts: RunFacts) -> str:
    lines = []
    for name in ("test", "train"):
        part = facts.parts.get(name)
        if part is not None and part.reliability:
            error = number_text(calibration_error(part.reliability))
            rows = count_text(part.n_rows)
            lines.append(
                f"expected calibration error (ECE) of {rows} {_OWN_PARTS[name]} rows: {error}"
            )
    found = facts.summary.calibration
    if found is None:
        lines.append("The model was not calibrated on rows of its own.")
    elif found.temperature is not None:
        lines.append(
            f"temperature: {number_text(found.temperature)}, fitted to "
            f"{count_text(found.n_rows)} rows that the coefficients were not fitted to"
        )
    if facts.model.top_k is not None:
        lines.append(f"predicted labels of each row: the {facts.model.top_k} most probable")
    elif any(value != 0.5 for value in facts.model.thresholds):
        # The only threshold of two classes is that of the second.
        names = facts.summary.classes[-len(facts.model.thresholds) :]
        pairs = zip(names, facts.model.thresholds, strict=False)
        shown = ", ".join(f"{_text(name)} {number_text(value)}" for name, value in pairs)
        chosen = None if found is None else found.threshold
        why = "" if chosen is None else f", {_text(chosen.rule)}"
        lines.append(f"thresholds: {shown}{why}")
    return _list(lines)


def _coefficients(facts: RunFacts) -> str:
    rows = [
        (
            _text(one.name),
            ", ".join(
                f"{_text(name)} ({short_number_text(value)})"
                for name, value in one.features[:_STRONGEST]
            ),
        )
        for one in facts.model.strongest[:_MOST_CLASSES]
    ]
    if not rows:
        return ""
    of = "scaled features" if facts.model.scaling else "features as they are in the data"
    return f"Coefficients of {of}.\n\n" + _table(
        ("label" if facts.several_labels else "class", "largest coefficients"), rows
    )


def _limits(facts: RunFacts) -> Iterable[str]:
    summary, data = facts.summary, facts.data
    if not summary.n_test:
        yield (
            "No test rows were held out: the metrics are those of the training rows, and too "
            "optimistic."
        )
    elif data.get("test_path"):
        yield (
            "Test rows come from a file of their own. Metrics of rows from another place or time "
            "may be worse."
        )
    else:
        yield (
            "Test rows come from the same source as the training rows. Metrics of rows from "
            "another place or time may be worse."
        )
    noun = "Labels" if facts.several_labels else "Classes"
    for part, name in (("train", "training"), ("test", "test")):
        found = facts.parts.get(part)
        named = [] if found is None else found.per_class or found.per_label
        rare = [
            f"{_text(row.name)} ({count_text(row.support)})"
            for row in named
            if row.support is not None and row.support < FEW_ROWS
        ]
        if rare:
            shown = ", ".join(rare[:_MOST_CLASSES])
            more = len(rare) - _MOST_CLASSES
            yield (
                f"{noun} with fewer than {FEW_ROWS} {name} rows: {shown}"
                f"{f' and {count_text(more)} more' if more > 0 else ''}. Their metrics are "
                "uncertain."
            )
    if facts.model.columns:
        yield (
            "A category that no training row had counts as one of the rare ones, or as none; it "
            "causes no error."
        )
    yield (
        "The logits are linear in the features: an effect of two columns together is not in the "
        "model, unless a column holds it. A coefficient is no evidence of a cause."
    )
    if summary.status not in ("", "converged", "precision"):
        yield f"The fit did not converge: {_text(ENDS.get(summary.status, summary.status))}."
    for warning in summary.warnings:
        yield f"Warning of the run: {_text(warning)}"
    yield (
        "The data don't say how they were collected, whom predictions affect, for which use the "
        "model is fit, or whether it is equally good for all groups of people. Add what you know."
    )


def _section(title: str, body: str) -> str:
    return f"## {title}\n\n{body}" if body else ""


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    rule = ["---", *["---:"] * (len(head) - 1)] if len(head) != 2 else ["---", "---"]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def _code(recipe: str) -> str:
    if not recipe:
        return ""
    longest = max(map(len, re.findall("`+", recipe)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}toml\n{recipe.rstrip()}\n{fence}"


def _text(value: Any) -> str:
    """Return text in one line in which nothing is markup of Markdown or HTML."""
    line = " ".join(str(value).split()) or "(empty)"
    return _MARKS.sub(r"\\\1", escape(line).replace("&quot;", '"').replace("&#x27;", "'"))
