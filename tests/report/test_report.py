"""Reports as text: well-formed, escaped, with the sections that a run has, the same each time."""

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_facts import HOSTILE, NAMES, facts_of_many_classes, hostile_facts

from fastclf.report.comparison import Contrast, comparison_page
from fastclf.report.confusion import shade
from fastclf.report.facts import RunFacts
from fastclf.report.markup import Markup, element, escape
from fastclf.report.page import report_page
from fastclf.report.training import training_figures

LOWER = {"log_loss", "brier"}
BINS = [
    {"from": 0.4, "to": 0.5, "count": 2, "confidence": 0.45, "accuracy": 0.5},
    {"from": 0.9, "to": 1.0, "count": 9, "confidence": 0.97, "accuracy": 0.9},
]
CURVE = {"precision": [0.5, None], "recall": [1.0, 0.0], "f1": [0.6, None]}
STEPS = [
    {
        "iteration": i,
        "objective": 1 / i,
        "gradient_norm": 10.0**-i,
        "learning_rate": None,
        "validation_loss": abs(i - 3) + 1.0,
        "train_accuracy": 0.5,
        "validation_accuracy": 0.25 * i,
        "seconds": 0.1 * i,
        "passes": 2.0 * i,
    }
    for i in range(1, 5)
]
SECTIONS = {
    "metrics",
    "training",
    "distillation",
    "confusion",
    "calibration",
    "thresholds",
    "coefficients",
    "data",
    "recipe",
    "timing",
}


def full() -> RunFacts:
    """Facts of a run that has everything at once."""
    judged = {
        "n_rows": 11,
        "metrics": {"accuracy": 0.9, "log_loss": 0.25},
        "per_class": [
            {"name": "a", "precision": 0.75, "recall": None, "f1": 0.5, "support": 4},
            {"name": "b", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 7},
        ],
        "confusion_matrix": {"classes": ["a", "b"], "counts": [[3, 1], [0, 7]]},
        "reliability": BINS,
        "threshold_curves": {
            "thresholds": [0.25, 0.75],
            "micro": CURVE,
            "labels": [{"name": "a", **CURVE}],
        },
    }
    metrics = {"accuracy": 0.9, "log_loss": 0.25}
    return RunFacts.model_validate(
        {
            "summary": {
                "name": "all",
                "task": "multilabel",
                "kind": "softmax",
                "solver": "adam",
                "seed": 3,
                "n_train": 1500,
                "n_test": 11,
                "n_features": 2,
                "classes": ["a", "b"],
                "fit_seconds": 0.25,
                "compile_seconds": 7.5,
                "n_iter": 4,
                "status": "early_stopping",
                "calibration": {
                    "n_rows": 12,
                    "temperature": 1.5,
                    "before": {"log_loss": 0.75, "gone": 1.0},
                    "after": {"log_loss": 0.625},
                },
                "warnings": ["mind the gap"],
                "versions": {"numpy": "2.0"},
                "data_sha256": "abcdef0123456789" * 4,
                "metrics": {
                    "train": metrics,
                    "test": metrics,
                    "teacher": {"accuracy": 0.95, "log_loss": 0.5},
                    "student": {"accuracy": 0.9, "log_loss": 0.25, "kl_to_teacher": 0.01},
                },
            },
            "recipe": "seed = 3\n",
            "data": {"path": "rows.csv", "scale": "standard"},
            "steps": STEPS,
            "parts": {"train": judged, "test": judged, "new rows": {"metrics": {"accuracy": 0.5}}},
            "model": {
                "strongest": [
                    {"name": "a", "features": [("height", 2.0), ("width", -1.5)]},
                    {"name": "b", "features": []},
                ],
                "thresholds": [0.5, 0.3],
                "n_nonzero": 2,
                "n_coefficients": 4,
                "kinds": ["number"],
                "scaling": "standard",
            },
            "minibatch": True,
        }
    )


class Page(HTMLParser):
    """A page, taken apart; it must close each element that it opens."""

    VOID = {"meta", "link"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.shown: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []
        drawings = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
        self.drawings = [ET.fromstring(drawing) for drawing in drawings]

    def handle_starttag(self, tag, attrs):
        assert len(dict(attrs)) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.shown.append(data)

    @property
    def sections(self) -> set[str]:
        return {attributes["id"] for tag, attributes in self.tags if tag == "section"}

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.shown).split())


def checked(text: str) -> Page:
    """A page that has been found to be well-formed, accessible and self-contained."""
    page = Page(text)
    assert not page.all("script") and not page.all("img")
    for attributes in (attributes for _, attributes in page.tags):
        assert not any(name.startswith("on") for name in attributes)
        assert "src" not in attributes
        href = attributes.get("href", "data:,")
        assert href == "data:," or href.removeprefix("#") in page.sections
    assert "url(" not in text and "@import" not in text and "@font-face" not in text
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("h1")) == 1
    assert {link["href"].removeprefix("#") for link in page.all("a")} == page.sections
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(cell.get("scope") for cell in page.all("th"))
    for box in page.all("div"):
        if box.get("class") == "scroll":
            assert box["role"] == "region" and box["aria-label"] and box["tabindex"] == "0"
    for drawing in page.drawings:
        assert drawing.get("role") == "img" and drawing.get("aria-label")
        assert len(drawing) > 1
        for part in drawing.iter():
            for name, value in part.attrib.items():
                if name not in ("aria-label", "class"):
                    assert not re.search(r"\b(nan|inf|None)\b", value), (name, value)
    return page


def test_compilation_is_not_part_of_the_fit_in_a_report():
    text = checked(report_page(full(), LOWER)).text
    assert "fit 250 ms compiling kernels 7.5 s" in text


def test_text_is_escaped_and_markup_is_not():
    assert escape("<a & 'b'>") == "&lt;a &amp; &#x27;b&#x27;&gt;"
    assert escape(Markup("<b>")) == "<b>"
    assert escape("a\x00b\x1b\ud800c\ufffe") == "a\ufffdb\ufffd\ufffdc\ufffd"
    assert element("p", "<", None, 3, element("b", ">")) == "<p>&lt;3<b>&gt;</b></p>"
    assert element("p", class_='"', aria_label="<", x=0.504, y=-0.001, z=None) == (
        '<p class="&quot;" aria-label="&lt;" x="0.5" y="0"></p>'
    )


def test_a_run_with_everything_has_every_section():
    text = report_page(full(), LOWER)
    page = checked(text)
    assert page.sections == SECTIONS
    for shown in (
        "mind the gap",
        "early: the validation loss no longer fell",
        "Lowest validation loss: 1.0000 at epoch 3.",
        "1,500 training rows",
        "ECE 0.0664",
        "a temperature of 1.50",
        "on the 12 calibration rows metric before after log loss 0.7500 0.6250",
        "height",
        "+2.00",
        "2 of 4 coefficients are 0",
        "abcdef0123456789…",
        "new rows",
        "48,000 per second",
        "The model's threshold: 0.50",
    ):
        assert shown in page.text
    titles = {drawing.get("aria-label") for drawing in page.drawings}
    assert any("train Accuracy" in title and "validation Accuracy" in title for title in titles)
    assert text == report_page(full(), LOWER)


def test_a_run_with_nothing_has_a_page():
    page = checked(report_page(RunFacts.model_validate({"summary": {}}), LOWER))
    assert page.sections == set()
    assert page.drawings == []


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"steps": []}, {"training"}),
        ({"recipe": ""}, {"recipe"}),
        ({"model": {}}, {"coefficients"}),
        (
            {"parts": {}},
            {"confusion", "calibration", "thresholds"},
        ),
    ],
)
def test_what_a_run_lacks_is_left_out(changes: dict, missing: set[str]):
    facts = RunFacts.model_validate({**full().model_dump(), **changes})
    assert checked(report_page(facts, LOWER)).sections == SECTIONS - missing


def panel(text: str, title: str) -> list[tuple[str, str]]:
    """The rows of the chart of a metric: name and value, with a star if it is the best."""
    drawn = re.search(rf"<figcaption><b>{title}</b>.*?</table>", text, re.DOTALL)[0]
    rows = re.findall(r'<th scope="row"><span[^>]*>([^<]*)</span></th>.*<td>(.*?)</td></tr>', drawn)
    return [(name, re.sub(r'<b class="best">(.*)</b>', r"\1*", value)) for name, value in rows]


def test_the_best_of_teacher_and_student_is_marked():
    text = report_page(full(), LOWER)
    assert panel(text, "Accuracy") == [("teacher", "0.9500*"), ("student", "0.9000")]
    assert panel(text, "Log loss") == [("teacher", "0.5000"), ("student", "0.2500*")]
    assert panel(text, "KL to the teacher") == [("teacher", "–"), ("student", "0.0100")]


def test_where_the_baseline_and_the_test_rows_stand():
    """Accuracy has the share of the most frequent training class beside it; losses have none."""
    values = full().model_dump()
    values["summary"]["task"] = "binary"
    values["summary"]["metrics"]["test"]["micro_f1"] = 0.9
    values["parts"]["test"]["intervals"] = {"accuracy": [0.7, 1.0]}
    facts = RunFacts.model_validate(values)
    page = checked(report_page(facts, LOWER))
    assert facts.baselines == {"accuracy": 7 / 11}
    assert "Accuracy 0.9000 0.7000 to 1.0000 baseline 0.6364" in page.text
    assert "always predicts b, the most frequent class" in page.text
    assert "accuracy 0.9000 0.7000 to 1.0000 0.6364 0.9000 0.5000 log loss ↓ 0.2500" in page.text
    assert "micro F1" not in page.text  # equals the accuracy
    assert "4 (36.4 %)" in page.text
    values["summary"]["baseline"] = {"predicts": "b"}
    values["parts"]["test"] |= {
        "baseline": {"accuracy": 0.25, "log_loss": 0.5},
        "undefined": {"roc_auc": "no row has a"},
    }
    page = checked(report_page(RunFacts.model_validate(values), LOWER))
    assert "log loss ↓ 0.2500 0.5000 0.2500" in page.text
    assert "ROC AUC isn't defined on the test rows: no row has a." in page.text


def test_where_a_number_of_labels_is_predicted_thresholds_mean_nothing():
    values = full().model_dump()
    values["model"]["top_k"] = 1
    page = checked(report_page(RunFacts.model_validate(values), LOWER))
    assert "its 1 most probable labels" in page.text
    assert "The model's threshold" not in page.text


def test_names_from_data_are_escaped():
    text = report_page(hostile_facts(full()), LOWER)
    page = checked(text)
    assert page.sections == SECTIONS
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert HOSTILE in page.text and NAMES[1] in page.text
    assert all(attributes in ({}, {"class": "best"}) for attributes in page.all("b"))
    text.encode("utf-8")


def test_a_few_classes_are_a_table_and_many_a_map():
    few = checked(report_page(facts_of_many_classes(20), LOWER))
    assert any(table.get("class", "").startswith("matrix") for table in few.all("table"))
    many = report_page(facts_of_many_classes(120), LOWER)
    page = checked(many)
    assert not any(table.get("class", "").startswith("matrix") for table in page.all("table"))
    maps = [one for one in page.drawings if one.get("aria-label").startswith("Confusion matrix")]
    squares = sum(path.get("d").count("z") for path in maps[0].iter() if "d" in path.attrib)
    counts = facts_of_many_classes(120).parts["test"].confusion_matrix.counts
    assert squares == sum(count > 0 for row in counts for count in row)
    assert "All 120 classes" in page.text
    most = checked(report_page(facts_of_many_classes(400), LOWER))
    assert "Most frequent confusions" in most.text
    assert not any("Confusion matrix" in one.get("aria-label") for one in most.drawings)


def test_confusions_are_sorted_and_counted():
    values = full().model_dump()
    values["parts"]["test"]["confusion_matrix"] = {
        "classes": [*"abcdef"],
        "counts": [[7, 1, 2, 0, 0, 0], [4, 6, 0, 0, 0, 0], *[[0] * 6] * 4],
    }
    text = checked(report_page(RunFacts.model_validate(values), LOWER)).text
    assert "of true class b a 4 40.0 % a c 2 20.0 % a b 1 10.0 %" in text


def test_what_is_wrong_once_in_a_thousand_is_hardly_shaded():
    assert shade(0) == 0 and shade(1) == 1
    assert shade(0.001) < 0.05 < 0.2 < shade(0.05) < shade(0.2)
    values = full().model_dump()
    values["parts"]["test"]["confusion_matrix"] = {"classes": ["a", "b"], "counts": [[999, 1]] * 2}
    text = report_page(RunFacts.model_validate(values), LOWER)
    assert re.search(r'class="wrong" style="--v:0.032"[^>]*>1<small>0.1.%', text)


def test_two_classes_have_curves_of_the_second_one():
    values = full().model_dump()
    values["summary"] |= {"task": "binary", "classes": ["a", "b"]}
    values["model"] |= {"thresholds": [0.3], "kinds": ["number", "category"]}
    values["parts"]["test"] |= {
        "threshold_curves": None,
        "positive_class": {
            "name": "b",
            "reliability": BINS,
            "threshold_curve": {
                "thresholds": [0.25, 0.75],
                "predicted_positive": [0.75, 0.125],
                **CURVE,
            },
            "roc_curve": {
                "false_positive_rate": [0.0, 0.5, 1.0],
                "true_positive_rate": [0.0, 1.0, 1.0],
                "area": 0.75,
            },
            "precision_recall_curve": {
                "recall": [0.5, 1.0],
                "precision": [1.0, 0.7],
                "average_precision": 0.85,
            },
        },
    }
    page = checked(report_page(RunFacts.model_validate(values), LOWER))
    for shown in (
        "Reliability for “b”",
        "2 of 2 bins are faint: they have fewer than 20 rows",
        "fraction of positives",
        "The model's threshold: 0.30",
        "ROC AUC 0.7500",
        "average precision 0.8500",
        "63.6 % of the rows are positive",
        "Compare coefficients only within one of these kinds",
        "×7.39",
    ):
        assert shown in page.text
    values["parts"]["test"]["positive_class"] = {"name": "b"}  # no row was of that class
    assert "thresholds" not in checked(report_page(RunFacts.model_validate(values), LOWER)).sections


def test_what_stays_the_same_has_no_chart():
    steps = [{"iteration": i, "objective": 1 / i, "learning_rate": 0.5} for i in (1, 2, 3)]
    values = {**full().model_dump(), "steps": steps}
    page = checked(report_page(RunFacts.model_validate(values), LOWER))
    assert "Learning rate was 0.5000 in every step." in page.text
    assert not any("earning rate" in one.get("aria-label") for one in page.drawings)
    assert training_figures(steps[:1], minibatch=False) == []


def test_long_trainings_are_thinned_without_losing_their_extremes():
    steps = [{"iteration": i, "objective": 1.0, "gradient_norm": 1.0} for i in range(1, 5001)]
    steps[1234]["objective"] = 5.0
    steps[2345]["objective"] = float("nan")
    figures = training_figures(steps, minibatch=False)
    drawing = ET.fromstring(re.search(r"<svg.*</svg>", figures[0])[0])
    line = next(one.get("d") for one in drawing.iter() if "line" in one.get("class", ""))
    assert line.count("L") < 1000
    assert line.count("M") == 2
    heights = [float(y) for y in re.findall(r"[ML]\S+ (\S+?)(?=[ML]|$)", line)]
    assert min(heights) < 40 < 100 < max(heights)


numbers = st.one_of(st.none(), st.floats(), st.integers(-(10**9), 10**9), st.just("odd"))


@given(
    st.lists(
        st.fixed_dictionaries(
            {"objective": numbers, "gradient_norm": numbers, "validation_loss": numbers},
            optional={"iteration": st.integers(0, 10**9), "learning_rate": numbers},
        ),
        max_size=5,
    ),
    st.lists(st.floats(), min_size=2, max_size=2),
    st.lists(
        st.tuples(st.text(max_size=5), st.floats(allow_nan=False, allow_infinity=False)), max_size=4
    ),
)
def test_any_figures_make_a_page(steps: list, metrics: list, features: list):
    values = full().model_dump()
    values["steps"] = steps
    values["summary"]["metrics"]["teacher"] = {
        "accuracy": metrics[0],
        "log_loss": metrics[1],
    }
    values["model"]["strongest"] = [{"name": "a", "features": features}]
    facts = RunFacts.model_validate(values)
    checked(report_page(facts, LOWER))
    checked(compared([facts, facts]))


def compared(runs: list[RunFacts], **changes) -> str:
    arguments = {
        "paths": [f"runs/{number}" for number in range(len(runs))],
        "runs": runs,
        "differences": {"model.C": [1.0, None], "data.drop": [["a", "b"], HOSTILE]},
        "metrics": {
            "test.accuracy": [0.5, 0.75],
            "test.log_loss": [0.5, 0.75],
            "teacher.accuracy": [None, 0.25],
            "fit_seconds": [1.5, 2.5],
        },
        "lower_is_better": LOWER,
    }
    return comparison_page(**{**arguments, **changes})


def test_runs_side_by_side():
    values = full().model_dump()
    values["summary"]["finished"] = "2026-11-30T17:40:05+00:00"
    contrasts = [
        Contrast(
            "1", {"accuracy": (0.25, (0.1, 0.4), True), "log_loss": (0.2, (-0.1, 0.5), False)}
        ),
    ]
    runs = [full(), RunFacts.model_validate(values)]
    text = compared(runs, warning="other data", contrasts=contrasts)
    page = checked(text)
    assert page.sections == {"runs", "metrics", "rows", "figures", "recipes", "training"}
    for shown in (
        "other data",
        "a, b",
        HOSTILE,
        "finished – 30 November 2026, 17:40 UTC",
        "class balance a 36.4 %, b 63.6 %",
        "Accuracy +0.2500 0.1000 to 0.4000 better, beyond noise",
        "Log loss +0.2000 −0.1000 to 0.5000 within noise",
        "Metrics of one run (1)",
    ):
        assert shown in page.text
    assert panel(text, "Accuracy") == [("0", "0.5000"), ("1", "0.7500*")]
    assert panel(text, "Log loss") == [("0", "0.5000"), ("1", "0.7500")]  # within noise
    unknown = compared(runs, contrasts=[Contrast("1", {}, "the runs have different test rows")])
    assert "by row: the runs have different test rows." in checked(unknown).text
    assert 'class="best"' not in unknown and "A star" not in unknown and "A star" in text
    third = Contrast("2", {"accuracy": (0.1, (-0.1, 0.3), False)})
    for first, stars in ((0.5, 2), (0.8, 0)):  # 0.8 is within noise of the third run
        metrics = {"test.accuracy": [first, 0.75, 0.6], "test.roc_auc": [0.5, 0.75, 0.6]}
        three = compared([*runs, full()], metrics=metrics, contrasts=[*contrasts, third])
        assert three.count('class="best"') == stars  # in the chart and in the table
    best = dict(re.findall(r'<th scope="row"><span[^>]*>([^<]*)</span></th>(.*?)</tr>', text))
    assert best["accuracy, test rows"] == '<td>0.5000</td><td><b class="best">0.7500</b></td>'
    assert best["log loss, test rows"] == "<td>0.5000</td><td>0.7500</td>"
    curve = next(one for one in page.drawings if one.get("aria-label").startswith("Objective by"))
    lines = [one for one in curve.iter() if "line" in one.get("class", "").split()]
    assert len(lines) == 2


def test_runs_that_do_not_differ_say_so():
    page = checked(compared([full(), full()], differences={}))
    assert "The recipes are the same." in page.text
