"""Files to predict for, or to test on, are read by what is known of them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import csv

from fastclf import LoadedClassifier
from fastclf.data import FileOptions, load_file
from fastclf.data.nulls import KnownNames
from fastclf.data.prediction_rows import stream_rows
from fastclf.data.splits import split_rows
from fastclf.errors import DataError
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import MISSING, CategoricalColumn, Encoder, NumericColumn
from fastclf.runs.draft import draft_for_file


def test_text_like_na_is_what_the_model_or_the_rows_to_train_on_know(tmp_path: Path):
    numbers = [0.5, 1.5, 2.5, 3.5]
    columns = {"x": numbers, "c": ["NA", "null", "b", "NA"], "y": ["NA", "NA", "EU", "EU"]}
    parquet, text = tmp_path / "rows.parquet", tmp_path / "rows.csv"
    pq.write_table(pa.table(columns), parquet)
    csv.write_csv(pa.table(columns), text)
    x = NumericColumn("x", shift=0.0, scale=1.0)
    for names in (("NA", "b", "null"), (MISSING, "b")):  # of a model of Parquet, and of one of CSV
        encoder = Encoder((x, CategoricalColumn("c", names)))
        theta = np.arange(len(names) + 2.0)[:, None]
        model = LinearModel(theta, "binary", np.array(["EU", "NA"]), encoder=encoder)
        wanted = LoadedClassifier(model).decision_function(columns)
        for path in (parquet, text):
            (rows,) = stream_rows(path, model, keep=["c"])
            assert np.array_equal(model.decision_function(rows.X), wanted)
        known = KnownNames(encoder.known, ("EU", "NA"))
        dataset = load_file(text, FileOptions(target="y", categorical=("c",)), known=known)
        assert np.array_equal(model.decision_function(dataset.features), wanted)
    options = FileOptions(target="y", test_path=str(text))
    dataset = load_file(parquet, options)
    assert dataset.test is not None
    assert dataset.test.features.columns["c"].names == ("NA", "b", "null")
    assert np.array_equal(dataset.test.y, dataset.y)


def test_missing_values_in_rows_to_test_on_are_named(tmp_path: Path):
    X, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "a.npz", X=X, y=y)
    X[2, 1] = np.nan
    np.savez(tmp_path / "b.npz", X=X, y=y)
    with pytest.raises(DataError, match=r'b.npz: row 3, column "x1": a missing value, though none'):
        load_file(tmp_path / "a.npz", FileOptions(test_path=str(tmp_path / "b.npz")))


def test_codes_that_lost_their_leading_zeros_are_told_of():
    encoder = Encoder((CategoricalColumn("zip", ("00501", "0501", "20095", "501x", "07")),))
    model = LinearModel(np.zeros((6, 1)), "binary", np.array(["a", "b"]), encoder=encoder)
    clf = LoadedClassifier(model)
    with pytest.warns(UserWarning, match=r'"zip": codes have lost .* such as "7", where .* "07"'):
        clf.predict({"zip": [20095, 7]})
    with pytest.warns(UserWarning, match="codes have lost their leading zeros"):
        clf.predict({"zip": [501]})
    clf.predict({"zip": ["00501", "20095", "1"]})
    encoder = Encoder((CategoricalColumn("n", ("007", "7")),))  # where both are known
    model = LinearModel(np.zeros((3, 1)), "binary", np.array(["a", "b"]), encoder=encoder)
    LoadedClassifier(model).predict({"n": ["7"]})


def test_classes_of_one_row_that_can_not_be_split_are_named(tmp_path: Path):
    text = tmp_path / "rows.csv"
    text.write_text("x,y\n" + "1,a\n2,b\n" * 5 + "".join(f"3,c{i}\n" for i in range(50)))
    dataset = load_file(text, FileOptions(target="y"))
    with pytest.raises(
        DataError, match="these classes have only one row: c0, c1.* and 30 more; leave"
    ):
        split_rows(dataset, test_size=0.25, stratify=True, seed=0)


def test_long_names_of_classes_are_cut(tmp_path: Path):
    text = tmp_path / "rows.csv"
    text.write_text("x,y\n" + f"1,a\n2,{'b' * 100_000}\n" * 5)
    said = "".join(draft_for_file(text, ["y"]).facts)
    assert len(said) < 1000
