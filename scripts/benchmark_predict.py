"""Time predictions from file to file, against a script that uses pandas and scikit-learn."""

import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from _benchmark import alternate, arguments, write
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from fastclf.config import Recipe
from fastclf.runs.prediction import open_predictor, predict_file
from fastclf.runs.run import train

TRAINING_ROWS = 10_000


def numbers(rng: np.random.Generator, n: int, d: int, digits: int) -> pd.DataFrame:
    """Return numeric columns with a label."""
    X = rng.normal(size=(n, d)).round(digits)
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(d)])
    return frame.assign(label=np.where(X[:, 0] + rng.normal(size=n) > 0, "yes", "no"))


def mixed(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return ten numeric columns, five categorical ones, and a label."""
    frame = numbers(rng, n, 10, 4)
    for i in range(5):
        frame.insert(i, f"c{i}", rng.choice([f"value{j}" for j in range(5 + 5 * i)], n))
    return frame


def fitted(frame: pd.DataFrame) -> Pipeline:
    """Return a fitted scikit-learn pipeline that encodes and scales as the fastclf run does."""
    features = frame.drop(columns="label")
    numeric = [name for name in features if name.startswith("x")]
    categories = [name for name in features if name.startswith("c")]
    pipeline = make_pipeline(
        make_column_transformer(
            (StandardScaler(), numeric), (OneHotEncoder(handle_unknown="ignore"), categories)
        ),
        LogisticRegression(max_iter=1000),
    )
    return pipeline.fit(features, frame["label"])


def by_script(pipeline: Pipeline, source: Path, target: Path) -> None:
    """Predict with pandas and the pipeline."""
    frame = pd.read_csv(source)
    p = pipeline.predict_proba(frame.drop(columns="label"))
    names = [f"probability_{name}" for name in pipeline.classes_]
    found = pd.DataFrame(p, columns=names)
    found.insert(0, "label", pipeline.classes_[p.argmax(axis=1)])
    found.to_csv(target, index=False)


def by_run(run: Path, source: Path, target: Path) -> None:
    """Predict with the function behind ``fastclf predict``."""
    predict_file(open_predictor(run), source, target)


def trained(folder: Path, data: dict) -> Path:
    """Train a run on a file; return its directory."""
    recipe = Recipe.model_validate({"name": "predict", "data": data})
    return train(recipe, Path(tempfile.mkdtemp(dir=folder)) / "run").path


def main() -> None:
    options = arguments(__doc__)
    rng = np.random.default_rng(0)
    rows = []

    def measure(what: str, n: int, contenders: dict[str, Callable[[], object]]) -> None:
        seconds = alternate(contenders, options.repeats)
        ours, script = seconds["fastclf"], seconds.get("script")
        row = {"what": what, "rows": n, "fastclf s": ours, "million rows / s": n / ours / 1e6}
        ratio = None if script is None else script / ours
        rows.append({**row, "pandas + scikit-learn s": script, "times faster": ratio})

    tables = {
        "CSV to CSV, 10 numbers and 5 categories": mixed(rng, 300_000),
        "CSV to CSV, 10 numbers": numbers(rng, 500_000, 10, 3),
        "CSV to CSV, 100 numbers": numbers(rng, 100_000, 100, 4),
    }
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        for what, frame in tables.items():
            source, sample = folder / "rows.csv", folder / "sample.csv"
            frame.to_csv(source, index=False)
            frame.head(TRAINING_ROWS).to_csv(sample, index=False)
            run = trained(folder, {"path": str(sample)})
            pipeline = fitted(frame.head(TRAINING_ROWS))
            contenders = {
                "script": lambda p=pipeline, s=source: by_script(p, s, folder / "script.csv"),
                "fastclf": lambda r=run, s=source: by_run(r, s, folder / "run.csv"),
            }
            measure(what, len(frame), contenders)
        X = rng.normal(size=(1_000_000, 100)).astype(np.float32)
        np.save(folder / "X.npy", X)
        np.savez(folder / "sample.npz", X=X[:TRAINING_ROWS], y=X[:TRAINING_ROWS, 0] > 0)
        for dtype in ("float32", "float64"):
            run = trained(folder, {"path": str(folder / "sample.npz"), "dtype": dtype})
            work = {"fastclf": lambda r=run: by_run(r, folder / "X.npy", folder / "out.npz")}
            measure(f"NPY to NPZ, 100 of float32, a model in {dtype}", len(X), work)
    write(
        "predict",
        "Predictions from file to file",
        "Medians of whole calls, files in memory of the operating system. The script reads with "
        "pandas' default engine, predicts with a Pipeline, and writes with pandas.",
        rows,
        options.out,
    )


if __name__ == "__main__":
    main()
