"""The sections of a report about the run itself: data, recipe, timing and versions."""

import math

from fastclf.report.facts import RunFacts
from fastclf.report.layout import Section, facts_list, scrolled, section
from fastclf.report.markup import Markup, element
from fastclf.report.training import series
from fastclf.report.wording import count_text, duration_text

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
            ("training rows", None if summary.n_train is None else count_text(summary.n_train)),
            ("test rows", None if summary.n_test is None else count_text(summary.n_test)),
            ("columns", count_text(len(facts.model.columns)) if facts.model.columns else None),
            ("features", None if summary.n_features is None else count_text(summary.n_features)),
            ("scaling", data.get("scale")),
            ("missing values", data.get("impute") if facts.model.columns else None),
            ("precision", data.get("dtype")),
            ("sha256", _sha256(summary.data_sha256)),
        )
    )
    return section("data", "Data", known)


def _sha256(digest: str) -> Markup | None:
    return element("code", f"{digest[:16]}…", title=digest) if digest else None


def recipe(facts: RunFacts) -> Section | None:
    """Return the section with the resolved recipe."""
    if not facts.recipe:
        return None
    shown = scrolled(element("pre", element("code", facts.recipe)), "Recipe")
    return section("recipe", "Recipe", shown, lead="With all defaults (config.toml).")


def timing(facts: RunFacts) -> Section | None:
    """Return the section about the fit's time, its status, and the versions."""
    summary = facts.summary
    passes = (series(facts.steps, "passes") or [math.nan])[-1]
    took, compiled = summary.fit_seconds, summary.compile_seconds
    steps = summary.n_iter
    unit = "epochs" if facts.minibatch else "iterations"
    speed = None
    if math.isfinite(passes) and took and summary.n_train:
        speed = f"{count_text(passes * summary.n_train / took)} a second"
    known = facts_list(
        (
            ("fit", None if took is None else duration_text(took)),
            ("compiling kernels", None if not compiled else duration_text(compiled)),
            (unit, None if steps is None else count_text(steps)),
            ("passes over the rows", f"{passes:.4g}" if math.isfinite(passes) else None),
            ("rows read", speed),
            (f"an {unit[:-1]}", duration_text(took / steps) if took and steps else None),
            ("end", ENDS.get(summary.status, summary.status)),
            ("solver", summary.plan or summary.solver),
            ("seed", None if summary.seed is None else str(summary.seed)),
            *summary.versions.items(),
        )
    )
    return section("timing", "Timing and versions", known)
