"""Facts that reports have to cope with."""

import numpy as np

from fastclf.report.facts import RunFacts

HOSTILE = "<script>alert(1)</script>"
NAMES = [
    HOSTILE,
    "\"'><img src=x onerror=alert(1)>",
    "]]></style></svg><b>",
    "a\x00\ud800b",
    "漢字" * 40,
    "long " * 60,
    "",
]


def hostile_facts(facts: RunFacts) -> RunFacts:
    """The same facts, with names that would do harm if they weren't escaped."""
    known = [*facts.summary.classes, *facts.model.columns]
    known += [name for one in facts.model.strongest for name, _ in one.features]
    renamed = {
        name: f"{NAMES[i % len(NAMES)]}{i if i >= len(NAMES) else ''}"
        for i, name in enumerate(dict.fromkeys(known))
    }

    def changed(value):
        if isinstance(value, dict):
            return {changed(key): changed(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [changed(item) for item in value]
        return renamed.get(value, value) if isinstance(value, str) else value

    values = changed(facts.model_dump())
    values["summary"] |= {
        "name": HOSTILE,
        "kind": HOSTILE,
        "solver": HOSTILE,
        "status": HOSTILE,
        "warnings": [HOSTILE, "long" * 200],
        "versions": {HOSTILE: HOSTILE},
        "metrics": {HOSTILE: {HOSTILE: 0.5}, **values["summary"]["metrics"]},
    }
    values |= {"recipe": f'name = "{HOSTILE}"\n' + "x" * 500, "data": {"path": HOSTILE * 20}}
    values["steps"] = [{**step, HOSTILE: 1.0} for step in values["steps"]]
    return RunFacts.model_validate(values)


def facts_of_many_classes(size: int, features: int = 12) -> RunFacts:
    """A run with so many classes, some of which are mistaken for others."""
    rng = np.random.default_rng(0)
    counts = np.diag(rng.integers(5, 30, size)) + rng.poisson(0.05, (size, size))
    classes = [f"class number {i}" for i in range(size)]
    share = rng.random(size).tolist()
    rows = [
        {"name": name, "precision": value, "recall": value, "f1": value, "support": 30}
        for name, value in zip(classes, share, strict=True)
    ]
    strongest = [
        {
            "name": name,
            "features": [(f"feature {i}", float(value)) for i, value in enumerate(values)],
        }
        for name, values in zip(classes, rng.normal(size=(size, features)), strict=True)
    ]
    test = {
        "n_rows": int(counts.sum()),
        "metrics": {"accuracy": 0.9},
        "per_class": rows,
        "confusion_matrix": {"classes": classes, "counts": counts.tolist()},
    }
    return RunFacts.model_validate(
        {
            "summary": {"name": "many", "task": "multiclass", "classes": classes},
            "steps": [{"iteration": i, "objective": 1 / i} for i in range(1, 2001)],
            "parts": {"test": test},
            "model": {"strongest": strongest, "n_coefficients": size, "n_nonzero": size},
        }
    )
