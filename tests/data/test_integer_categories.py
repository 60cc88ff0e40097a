"""Columns of a categorical type are categories, even if the categories are integers."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")

import fastclf  # noqa: E402
from fastclf.config import Recipe  # noqa: E402
from fastclf.data import FrameEncoder  # noqa: E402
from fastclf.runs.run import train  # noqa: E402


def test_a_frame_encoder_makes_a_feature_of_each_category():
    frame = pd.DataFrame({"code": pd.Categorical([3, 10, 2, 3])})
    encoder = FrameEncoder().fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["code=2", "code=3", "code=10"]
    expected = encoder.transform(frame)
    np.testing.assert_array_equal(encoder.transform(frame.astype(int)), expected)
    table = pa.table({"code": pa.array([3, 10, 2, 3]).dictionary_encode()})
    np.testing.assert_array_equal(encoder.transform(table), expected)
    numeric = FrameEncoder().fit(frame.astype(int))  # as models of plain integers do
    np.testing.assert_allclose(numeric.transform(frame), numeric.transform(frame.astype(int)))


def test_a_run_learns_and_predicts_them(tmp_path: Path):
    code = np.arange(120) % 6
    frame = pd.DataFrame({"code": pd.Categorical(code), "y": pd.Categorical(code % 2 + 1)})
    frame.to_parquet(tmp_path / "t.parquet")
    data = {"path": str(tmp_path / "t.parquet"), "target": "y"}
    train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / "run")
    model = fastclf.load(tmp_path / "run")
    assert model.classes_.tolist() in ([1, 2], ["1", "2"])
    for rows in (frame, frame.astype(int)):
        assert (model.predict(rows).astype(int) == code % 2 + 1).all()


def test_a_stream_has_the_same_features(tmp_path: Path):
    code = np.arange(240) % 6
    frame = pd.DataFrame({"code": pd.Categorical(code), "x": np.sin(code), "y": code % 2})
    frame.to_parquet(tmp_path / "t.parquet")
    models = []
    for stream in (False, True):
        data = {"path": str(tmp_path / "t.parquet"), "target": "y", "stream": stream}
        data |= {"test_path": str(tmp_path / "t.parquet")}
        run = train(Recipe.model_validate({"name": "t", "data": data}), tmp_path / f"run{stream}")
        models.append(run.model)
    assert models[0].encoder is not None and models[1].encoder is not None
    assert models[0].encoder.feature_names == models[1].encoder.feature_names
    np.testing.assert_allclose(models[0].theta, models[1].theta, atol=1e-4)
