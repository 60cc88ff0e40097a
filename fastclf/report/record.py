"""The sections of a report about the run itself: data, recipe, timing and versions."""

import math

from fastclf.report.facts import RunFacts
from fastclf.report.layout import Section, collapsed, facts_list, scrolled, section
from fastclf.report.markup import Markup, element
from fastclf.report.training import series
from fastclf.report.wording import count_text, date_text, duration_text, percent_text

ENDS = {
    "converged": "converged",
    "early_stopping": "stopped early: the validation loss no longer fell",
    "max_iter": "stopped at the recipe's limit of steps",
    "precision": "stopped at the limit of floating-point precision",
    "stalled": "stopped far from the optimum, at the limit of floating-point precision",
    "stopped": "stopped on request",
}


def data(facts: RunFacts) -> Section | None:
    """Return the section about the data."""
    summary, data = facts.summary, facts.data
    source = next((data[key] for key in ("path", "card", "name") if data.get(key)), None)
    target = data.get("target")
    known = facts_list(
        (
            ("source", source),
            ("target", ", ".join(map(str, target)) if isinstance(target, list) else target),
            ("rows", summary.decided.get("rows") or _rows(facts)),
            *_balance(facts),
            ("columns", count_text(len(facts.model.columns)) if facts.model.columns else None),
            ("features", None if summary.n_features is None else count_text(summary.n_features)),
            ("scaling", summary.decided.get("scaling") or _scaling(facts)),
            ("missing values, if any", _imputation(facts)),
            ("precision", data.get("dtype")),
            ("sha256", _sha256(summary.data_sha256)),
        )
    )
    return section("data", "Data", known)


def _rows(facts: RunFacts) -> str | None:
    """Return the numbers of rows of an older run, which doesn't say how it split them."""
    counts = (("training", facts.summary.n_train), ("test", facts.summary.n_test))
    return ", ".join(f"{count_text(n)} {kind} rows" for kind, n in counts if n is not None) or None


def _imputation(facts: RunFacts) -> str | None:
    kinds = {"number", "category"} & {*facts.model.kinds}
    method = facts.data.get("impute")
    return f"filled in ({method})" if facts.model.columns and kinds and method != "none" else None


def _scaling(facts: RunFacts) -> str | None:
    return facts.model.scaling or "none" if facts.model.kinds else None


def _balance(facts: RunFacts) -> list[tuple[str, str]]:
    """Return the most and the least frequent class or label of the training rows."""
    part = facts.parts.get("train")
    rows = [] if part is None else part.per_class or part.per_label
    counts = [(row.support, row.name) for row in rows if row.support is not None]
    if part is None or not part.n_rows or not counts:
        return []
    noun = "label" if part.per_label else "class"
    found = []
    for title, (count, name) in (("most", max(counts)), ("least", min(counts))):
        share = percent_text(count / part.n_rows)
        found.append((f"{title} frequent {noun}", f"{name}: {count_text(count)} rows, {share}"))
    if part.per_label:
        mean = sum(count for count, _ in counts) / part.n_rows
        found.append(("mean labels per row", f"{mean:.2f}"))
    return found


def solver_text(facts: RunFacts) -> str:
    """Return what the solver did, or its name; and whether it was chosen automatically."""
    used = facts.summary.plan or facts.summary.solver
    return f"{used} (chosen by auto)" if facts.summary.solver == "auto" != used else used


def _sha256(digest: str) -> Markup | None:
    return element("code", f"{digest[:16]}…", title=digest) if digest else None


def recipe(facts: RunFacts) -> Section | None:
    """Return the section with the resolved recipe."""
    if not facts.recipe:
        return None
    shown = scrolled(element("pre", element("code", facts.recipe)), "Recipe")
    lines = count_text(len(facts.recipe.splitlines()))
    drawn = collapsed(f"config.toml, with all defaults: {lines} lines", shown)
    return section("recipe", "Recipe", drawn)


def timing(facts: RunFacts) -> Section | None:
    """Return the section about the fit's time, its status, and the versions."""
    summary = facts.summary
    passes = (series(facts.steps, "passes") or [math.nan])[-1]
    took, compiled = summary.fit_seconds, summary.compile_seconds
    steps = summary.n_iter
    unit = "epochs" if facts.minibatch else "iterations"
    speed = None
    if math.isfinite(passes) and took and summary.n_train:
        speed = f"{count_text(passes * summary.n_train / took)} per second"
    known = facts_list(
        (
            ("finished", date_text(summary.finished) if summary.finished else None),
            ("fit", None if took is None else duration_text(took)),
            ("compiling kernels", None if not compiled else duration_text(compiled)),
            (unit, None if steps is None else count_text(steps)),
            ("passes over the rows", f"{passes:.4g}" if math.isfinite(passes) else None),
            ("rows read", speed),
            (f"time of an {unit[:-1]}", duration_text(took / steps) if took and steps else None),
            ("end of the fit", ENDS.get(summary.status, summary.status)),
            ("solver", solver_text(facts)),
            ("seed", None if summary.seed is None else str(summary.seed)),
            *summary.versions.items(),
        )
    )
    return section("timing", "Timing and versions", known)
