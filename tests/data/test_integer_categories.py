"""Columns of a categorical type are categories, even if the categories are integers."""

import numpy as np
import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")

from fastclf.data import FrameEncoder  # noqa: E402


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
