"""Frames that an estimator can't take as they are: the message names FrameEncoder."""

import numpy as np
import pandas as pd
import pytest

from fastclf import LogisticRegression
from fastclf.errors import InputError


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (pd.date_range("2020-01-01", periods=4), 'column "when" of X holds dates or times'),
        (["a", "b", "a", "b"], 'column "when" of X holds text, "a" in row 0'),
        ([1.0, np.nan, 2.0, 3.0], "Input X contains NaN: 1 entries"),
    ],
)
def test_the_message_names_the_frame_encoder(column, said: str):
    frame = pd.DataFrame({"when": column})
    remedy = r".*make_pipeline\(fastclf.data.FrameEncoder\(\), LogisticRegression\(\)\)"
    with pytest.raises(InputError, match=said + remedy):
        LogisticRegression().fit(frame, [0, 1, 0, 1])
