"""First recipes: complete, as the code has it, and they train as they stand."""

import re
import tomllib
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from rich.console import Console
from sklearn.datasets import dump_svmlight_file

from fastclf.config import Recipe, load_recipe
from fastclf.errors import ConfigError, DataError, FastclfError, RunError
from fastclf.runs.checking import check_recipe, print_preview
from fastclf.runs.draft import default_draft, draft_for_file, draft_with
from fastclf.runs.draft_text import recipe_text, write_recipe
from fastclf.runs.run import train
from fastclf.toml import tables_in

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4)).astype(np.float32)
CODES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0)


def frame() -> pd.DataFrame:
    found = pd.DataFrame(X.copy(), columns=["a", "b", "c", "d"])
    found["city"] = np.array(["Bonn", "Oslo", None], dtype=object)[CODES]
    found["class"] = np.array(["low", "mid", "high"])[CODES]
    found.loc[::7, "c"] = np.nan
    found["customerID"] = [f"c{i}" for i in range(len(found))]
    return found


def written(path: Path, *targets: str) -> Recipe:
    recipe = path.with_name("recipe.toml")
    write_recipe(draft_for_file(path, targets, path.parent), recipe)
    return load_recipe(recipe)


def accuracy_of(recipe: Recipe, out: Path) -> float:
    metrics = train(recipe, out).summary["metrics"]["test"]
    return metrics.get("accuracy", metrics.get("micro_f1"))


def test_without_a_file_every_key_is_there_with_its_default():
    text = recipe_text(default_draft(), "recipe.toml")
    recipe = Recipe.model_validate(tomllib.loads(text))
    assert recipe == Recipe.model_validate({"name": "iris", "data": {"name": "iris"}})
    assert max(map(len, text.splitlines())) <= 100
    for name, info in Recipe.model_fields.items():
        tables = tables_in(info.annotation)
        section = text.partition(f"[{name}]\n")[2].partition("\n[")[0] if tables else text
        for key in [key for table in tables for key in table.model_fields] or [name]:
            line = re.search(rf"^(# )?{key} = (.+)$", section, re.MULTILINE)
            assert line, f"{name}.{key}"
            above = section[: line.start()].rstrip("\n").splitlines()[-1]
            assert above.startswith("# ") and not above.endswith(" also:"), f"{name}.{key}"


def test_comments_tell_values_and_defaults():
    text = recipe_text(default_draft(), "recipe.toml")
    for words in (
        '# Values: "auto", "logistic", "softmax" or "multilabel". Default: "auto".\nkind = "auto"',
        "# Values: a number above 0. Default: 1.0.\nC = 1.0",
        '# With name = "newton", "lbfgs" or "proximal" also:',
        "# Values: a whole number of at least 1. Default: 100.\n# epochs = 100",
        "# Values: a number above 0 and below 1. Default: 0.2.\n# validation_fraction = 0.2",
    ):
        assert words in text


SETS = [
    ["solver.name=adam", "solver.batch_size=32", "model.C=2", "seed=4", "model.C=0.5"],
    ["calibrate.temperature=false", "data.test_size=0.5", "data.drop=[]"],
    ["tune={C=[1.0,2.0],'solver.memory'={low=3,high=9}}", "solver={name='lbfgs'}"],
    ["tune={}", "early_stopping={patience=3}", "solver.name=sgd", "model.kind=softmax"],
]


@pytest.mark.parametrize("assignments", SETS)
def test_values_land_in_the_written_recipe(assignments: list[str], tmp_path: Path):
    dump_svmlight_file(X, CODES, str(tmp_path / "rows.svm"))  # whose draft sets solver.max_iter
    path = tmp_path / "recipe.toml"
    draft = draft_for_file(tmp_path / "rows.svm", folder=tmp_path)
    told: list[str] = []
    changed = draft.with_assignments(assignments, path, told.append)
    write_recipe(draft, path)
    wanted = load_recipe(path, assignments)
    write_recipe(changed, path, overwrite=True)
    assert load_recipe(path) == wanted
    if wanted.solver.name in ("adam", "sgd"):
        assert told == [f"solver.max_iter is left out: solver {wanted.solver.name} has none"]
    else:
        assert told == []
    assert ("solvers for sparse features need more" in path.read_text()) == (
        "solver.max_iter" in changed.values
    )
    with pytest.raises(
        ConfigError, match=r"--set model.Cc=1: unknown key model.Cc \(did you mean C"
    ):
        draft.with_assignments(["model.Cc=1"], path, told.append)


def test_columns_alike_share_a_line(tmp_path: Path):
    data = pd.DataFrame(X.repeat(3, axis=1), columns=[f"f{i}" for i in range(12)])
    data.loc[3, "f11"] = np.nan
    data["city"], data["same"], data["class"] = ["Bonn", "Oslo"] * 45, 7, CODES
    data.to_csv(tmp_path / "wide.csv", index=False)
    facts = draft_for_file(tmp_path / "wide.csv").facts
    assert facts[facts.index("Columns:") + 1 :] == (
        "  f0 to f10  11 columns of numbers",
        f"  f11        numbers from {X[:, 3].min():g} to {X[:, 3].max():g}, 1 missing",
        "  city       2 categories",
        "  same       the same value in every row",
    )
    assert "missing" not in draft_for_file(tmp_path / "wide.csv", given={"drop": ("f11",)}).facts[0]


READING = [
    (
        "a|b|c",
        "1|2|x\n2|1|y\n",
        ["data.format=csv", "data.header=false", "data.target=2"],
        "rows.lst",
    ),
    ("id,a,class", "1,2,x\n2,3,y\n", ["data.drop=['a']", "data.categorical=['id']"], "rows.csv"),
    ("a,b,class", "1,g,x\n2,h,y\n3,g,y\n", ["data.split_by=b"], "rows.csv"),
]


@pytest.mark.parametrize(("header", "rows", "assignments", "name"), READING)
def test_what_says_how_a_file_is_read_counts_before(
    header: str, rows: str, assignments: list[str], name: str, tmp_path: Path
):
    text = rows * 30 if "data.header=false" in assignments else f"{header}\n{rows * 30}"
    (tmp_path / name).write_text(text)
    path = tmp_path / "r.toml"
    draft = draft_with(tmp_path / name, (), {}, assignments, path, print)
    write_recipe(draft, path)
    recipe = load_recipe(path)
    assert recipe == load_recipe(path, assignments)
    check_recipe(recipe)
    with pytest.raises(ConfigError, match=r'^--set data.header=no: data.header = "no": must be'):
        draft_with(tmp_path / name, (), {}, ["data.header=no"], path, print)


WRONG_FILES = {
    "a,b,class\n1,2,0\n1,2\n": "row 2 has 2 values for 3 columns; correct it, or give --delimiter",
    "a,class\n1,0\n2,0\n": "one class, 0; add rows of another class, or name another column with "
    "--target",
    "a,a,class\n1,2,0\n": "use --set data.header=false",
}


@pytest.mark.parametrize("text", WRONG_FILES)
def test_errors_name_options_of_the_command_line(text: str, tmp_path: Path):
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(DataError) as problem:
        draft_with(tmp_path / "rows.csv", (), {}, (), tmp_path / "r.toml", print)
    assert WRONG_FILES[text] in str(problem.value)


def test_names_with_control_characters_are_names(tmp_path: Path):
    names = ["a\x00x", "b\x1b[31m", "c\nseed = 7", "d\re"]
    content = frame().rename(columns=dict(zip("abcd", names, strict=True)))
    content["class"] = np.array(["low", "m\x00\n[data]", "high"])[CODES]
    content.to_parquet(tmp_path / "odd\n.parquet")
    recipe = written(tmp_path / "odd\n.parquet", "class")
    assert recipe.seed == 0
    model = train(recipe, tmp_path / "run").model
    assert set(names) < set(model.encoder.column_names)


def test_keys_behind_a_hash_have_the_defaults_of_the_code():
    text = recipe_text(default_draft(), "recipe.toml")
    recipe = tomllib.loads(text)
    section = text.partition("[solver]")[2].partition("[early_stopping]")[0]
    for name in ("newton", "lbfgs", "sgd", "adam", "adamw"):
        table = Recipe.model_validate({**recipe, "solver": {"name": name}}).solver
        for key, value in table.model_dump(exclude_none=True, exclude={"name"}).items():
            shown = re.search(rf"^(?:# )?{key} = (.+)$", section, re.MULTILINE)
            assert tomllib.loads(f"x = {shown[1]}")["x"] == value, key


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "feather"])
def test_tables_train_as_they_stand(suffix: str, tmp_path: Path):
    path = tmp_path / f"people.{suffix}"
    data = frame()
    if suffix in ("csv", "tsv"):
        data.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    else:
        data.to_parquet(path) if suffix == "parquet" else data.to_feather(path)
    recipe = written(path)
    assert recipe.name == "people"
    assert recipe.data.target == "class"
    assert recipe.data.drop == ("customerID",)
    assert recipe.model.kind == "softmax"
    assert accuracy_of(recipe, tmp_path / "run") > 0.8
    text = (tmp_path / "recipe.toml").read_text()
    assert text.startswith(f"# fastclf train {tmp_path / 'recipe.toml'}\n")
    assert "90 rows, 6 columns, 2 categorical, missing values in 2." in text
    counts = data["class"].value_counts()
    assert f"# Classes of class: high ({counts.high}), low ({counts.low}), mid ({counts.mid})."
    assert "#   customerID  90 categories, left out: identifies rows" in text


@pytest.mark.parametrize("kind", ["npz", "sparse", "svmlight", "npy"])
def test_matrices_train_as_they_stand(kind: str, tmp_path: Path):
    path = tmp_path / f"data.{'npz' if kind == 'sparse' else kind}"
    targets = []
    if kind == "npz":
        np.savez(path, X=X, y=CODES, classes=["low", "mid", "high"])
    elif kind == "sparse":
        csr = scipy.sparse.csr_array(X)
        parts = {f"X_{part}": getattr(csr, part) for part in ("data", "indices", "indptr", "shape")}
        np.savez(path, **parts, y=CODES)
    elif kind == "svmlight":
        dump_svmlight_file(X, CODES, str(path))
    else:
        np.save(path, X)
        np.save(tmp_path / "y.npy", CODES)
        targets = [str(tmp_path / "y.npy")]
    recipe = written(path, *targets)
    assert recipe.data.dtype == ("float64" if kind == "svmlight" else "float32")
    assert accuracy_of(recipe, tmp_path / "run") > 0.6


@pytest.mark.parametrize(("factor", "scale"), [(1, "auto"), (1e5, "standard")])
def test_sparse_features_of_different_size_are_scaled(factor: float, scale: str, tmp_path: Path):
    dump_svmlight_file(X * [1, 1, 1, factor], CODES, str(tmp_path / "data.svm"))
    recipe = written(tmp_path / "data.svm")
    assert recipe.data.scale == scale
    assert accuracy_of(recipe, tmp_path / "run") > 0.6


def test_counts_of_words_stay_as_they_are(tmp_path: Path):
    counts = scipy.sparse.random_array((90, 200), density=0.02, random_state=0, format="csr").ceil()
    counts.data[:5] = 5000
    counts.indices = counts.indices.astype(np.int32)  # older versions of SciPy give 64 bits
    counts.indptr = counts.indptr.astype(np.int32)
    dump_svmlight_file(counts, CODES, str(tmp_path / "words.svm"))
    recipe = written(tmp_path / "words.svm")
    assert recipe.data.scale == "auto"
    assert recipe.solver.max_iter == 1000


def test_a_pattern_names_several_labels(tmp_path: Path):
    data = pd.DataFrame(X, columns=list("abcd"))
    data["label_x"], data["label_y"] = (X[:, 0] > 0).astype(int), (X[:, 1] > 0).astype(int)
    data.to_csv(tmp_path / "labels.csv", index=False)
    recipe = written(tmp_path / "labels.csv", "label_*")
    assert recipe.data.target == ("label_x", "label_y")
    assert recipe.model.kind == "multilabel"
    assert accuracy_of(recipe, tmp_path / "run") > 0.8


def test_lists_of_labels_are_recognised(tmp_path: Path):
    data = pd.DataFrame(X, columns=list("abcd"))
    data["topics"] = [";".join(n for n, v in zip("xyz", row, strict=False) if v > 0) for row in X]
    data.to_csv(tmp_path / "topics.csv", index=False)
    recipe = written(tmp_path / "topics.csv", "topics")
    assert recipe.data.label_separator == ";"
    assert recipe.model.kind == "multilabel"
    assert accuracy_of(recipe, tmp_path / "run") > 0.8


def test_distributions_are_recognised(tmp_path: Path):
    data = pd.DataFrame(X, columns=list("abcd"))
    p = 1 / (1 + np.exp(-3 * X[:, 0]))
    data["no"], data["yes"] = 1 - p, p
    data.to_csv(tmp_path / "soft.csv", index=False)
    recipe = written(tmp_path / "soft.csv", "no", "yes")
    assert recipe.model.kind == "logistic"
    assert accuracy_of(recipe, tmp_path / "run") > 0.8


P = np.exp(np.c_[3 * X[:, 0], X[:, 1], -X[:, 2]])
OTHER_TARGETS = {
    "votes": (np.round(9 * P / P.sum(axis=1, keepdims=True)), "counts", "error"),
    "no votes": (np.round(9 * P / P.max()), "counts", "drop"),
    "percent": (100 * P / P.sum(axis=1, keepdims=True), "counts", "error"),
    "logits": (np.log(P), "logits", "error"),
    "a row missing": (
        np.where(np.arange(len(P))[:, None] == 3, np.nan, P / P.sum(axis=1, keepdims=True)),
        "distribution",
        "drop",
    ),
    "probabilities": (1 / (1 + np.exp(-X[:, :3])), "indicators", "error"),
    "labels missing": (np.where(X[:, 1:] > 1, np.nan, X[:, :3] > 0), "indicators", "keep"),
}


@pytest.mark.parametrize("suffix", ["csv", "npz"])
@pytest.mark.parametrize("name", OTHER_TARGETS)
def test_kinds_of_several_targets_are_recognised(name: str, suffix: str, tmp_path: Path):
    targets, kind, missing = OTHER_TARGETS[name]
    path = tmp_path / f"soft.{suffix}"
    if suffix == "csv":
        data = pd.DataFrame(X, columns=list("abcd"))
        for k, label in enumerate("xyz"):
            data[label] = targets[:, k]
        data.to_csv(path, index=False)
        recipe = written(path, "x", "y", "z")
    else:
        np.savez(path, X=X, y=targets)
        recipe = written(path)
    assert (recipe.data.target_kind, recipe.data.missing_target) == (kind, missing)
    assert recipe.model.kind == ("multilabel" if kind == "indicators" else "softmax")
    train(recipe, tmp_path / "run")


def test_one_column_of_numbers_is_no_label(tmp_path: Path):
    np.savez(tmp_path / "t.npz", X=X, y=1 / (1 + np.exp(-X[:, 0])))
    with pytest.raises(FastclfError, match="can't be a class: the column looks like a number"):
        written(tmp_path / "t.npz")


def test_many_categories_are_grouped_and_single_rows_left_out(tmp_path: Path):
    data = frame()
    data["street"] = [f"s{i % 60}" for i in range(len(data))]
    data.loc[0, "class"] = "odd"
    data.to_csv(tmp_path / "people.csv", index=False)
    recipe = written(tmp_path / "people.csv")
    assert recipe.data.min_frequency == 5
    assert recipe.data.classes == ("high", "low", "mid")
    assert accuracy_of(recipe, tmp_path / "run") > 0.8
    text = (tmp_path / "recipe.toml").read_text()
    assert "# Here: a column has 60 categories.\nmin_frequency = 5" in text
    assert "without odd, which has one row only" in text


def test_paths_start_at_the_folder_of_the_recipe(tmp_path: Path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "recipes").mkdir()
    frame().to_csv(tmp_path / "data" / "people.csv", index=False)
    monkeypatch.chdir(tmp_path)
    out = Path("recipes/people.toml")
    write_recipe(draft_for_file(Path("data/people.csv"), folder=out.parent), out)
    assert 'path = "../data/people.csv"' in out.read_text()
    assert load_recipe(out).data.path == str(tmp_path / "data" / "people.csv")


def test_a_recipe_that_is_there_stays(tmp_path: Path):
    path = tmp_path / "recipe.toml"
    path.write_text("mine")
    with pytest.raises(RunError, match=r"recipe.toml exists; .*--force"):
        write_recipe(default_draft(), path)
    assert path.read_text() == "mine"
    write_recipe(default_draft(), path, overwrite=True)
    assert load_recipe(path).data.name == "iris"


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([], r"name the column to predict with --target; there are a, b"),
        (["grop"], r"--target grop: there is no such column .did you mean group"),
        (["99"], "target = 99: columns are numbered 0 to 6"),
        (["a"], 'column "a": .* can\'t be a class'),
    ],
)
def test_targets_that_cannot_be_used(targets: list[str], said: str, tmp_path: Path):
    frame().rename(columns={"class": "group"}).to_csv(tmp_path / "people.csv", index=False)
    with pytest.raises(FastclfError, match=said) as refused:
        draft_for_file(tmp_path / "people.csv", targets)
    assert "\n" not in str(refused.value)


def classes_of(counts: dict[str, int]) -> np.ndarray:
    return np.repeat(list(counts), list(counts.values()))


def test_the_kind_is_that_of_the_rows_that_are_kept(tmp_path: Path):
    y = classes_of({"no": 40, "yes": 49, "yse": 1})
    pd.DataFrame(X, columns=list("abcd")).assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    draft = draft_for_file(tmp_path / "t.csv", folder=tmp_path)
    assert draft.facts[:3] == (
        "t.csv: 89 rows, 4 columns.",
        "Left out: 1 row of other classes, yse (data.classes).",
        "Classes of y: no (40), yes (49).",
    )
    recipe = written(tmp_path / "t.csv")
    assert (recipe.model.kind, recipe.data.classes) == ("logistic", ("no", "yes"))
    plan = check_recipe(recipe)
    assert plan.left_out == {"of other classes, yse (data.classes)": 1}
    console = Console(file=StringIO(), width=200)
    print_preview(plan, console)
    assert "left out  1 row of other classes, yse (data.classes)" in console.file.getvalue()
    console = Console(file=StringIO(), width=200)
    summary = train(recipe, tmp_path / "run", console).summary
    first = console.file.getvalue().splitlines()[0]
    assert first == "left out: 1 row of other classes, yse (data.classes)"
    assert summary["left_out"] == plan.left_out


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({"yes": 90}, "all rows belong to one class, yes"),
        ({"yes": 89, "yse": 1}, "yse has one row only, and without it"),
        ({"yes": 88, "ye": 1, "yse": 1}, "ye, yse have one row each, and without them"),
    ],
)
def test_too_few_classes_are_refused(counts: dict[str, int], said: str, tmp_path: Path):
    path = tmp_path / "t.csv"
    pd.DataFrame(X, columns=list("abcd")).assign(y=classes_of(counts)).to_csv(path, index=False)
    with pytest.raises(FastclfError, match=f"t.csv: {said}"):
        draft_for_file(path)
    if len(counts) == 1:
        recipe = Recipe.model_validate({"name": "t", "data": {"path": str(path)}})
        for act in (check_recipe, lambda recipe: train(recipe, tmp_path / "run")):
            with pytest.raises(FastclfError, match=f"t.csv: {said}"):
                act(recipe)


def test_a_column_of_many_whole_numbers_is_a_number_to_predict(tmp_path: Path):
    path = tmp_path / "t.csv"
    pd.DataFrame(X, columns=list("abcd")).assign(y=range(len(X))).to_csv(path, index=False)
    with pytest.raises(FastclfError, match="t.csv: the target has .* whole numbers.*only classif"):
        draft_for_file(path)


def test_a_folder_with_other_files_is_told_what_it_must_hold(tmp_path: Path):
    pytest.importorskip("pyarrow")
    (tmp_path / "t.csv").write_text("a,y\n1,2\n")
    (tmp_path / "notes.md").write_text("notes")
    with pytest.raises(FastclfError, match=r"a folder must hold Parquet files .* notes.md is none"):
        draft_for_file(tmp_path)


def test_rows_without_a_label_are_left_out_and_told_of(tmp_path: Path):
    y = classes_of({"no": 40, "": 5, "yes": 45})
    pd.DataFrame(X, columns=list("abcd")).assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    draft = draft_for_file(tmp_path / "t.csv", folder=tmp_path)
    assert draft.facts[1] == 'Left out: 5 rows without a target (data.missing_target = "drop").'
    recipe = written(tmp_path / "t.csv")
    assert recipe.data.missing_target == "drop"
    assert train(recipe, tmp_path / "run").summary["n_train"] == 63


def test_few_rows_of_many_classes_train(tmp_path: Path):
    y = [f"class {i // 2}" for i in range(20)]
    pd.DataFrame(X[:20], columns=list("abcd")).assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    recipe = written(tmp_path / "t.csv")
    assert (recipe.data.stratify, recipe.data.test_size) == (False, 0)
    assert train(recipe, tmp_path / "run").summary["n_test"] == 0


def test_values_that_cannot_be_used_are_seen_before_training(tmp_path: Path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=CODES)
    frame.loc[7, "c"] = np.inf
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(FastclfError, match='t.csv: row 8, column "c": an infinite number'):
        draft_for_file(tmp_path / "t.csv")
