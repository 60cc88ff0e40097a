"""Where a stream can't take the place of arrays: one error, with the remedy."""

import numpy as np
import pytest
from row_streams import Pieces

from fastclf import (
    DistilledClassifier,
    LogisticRegression,
    TemperatureScaler,
)
from fastclf.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 3))
Y = (X[:, 0] + RNG.logistic(size=200) > 0).astype(int)
STREAM = Pieces(X, Y)


def one() -> LogisticRegression:
    return LogisticRegression().fit(STREAM)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: one().predict(STREAM), "takes a stream only in fit; give this method the chunks"),
        (
            lambda: one().predict_proba(STREAM),
            "takes a stream only in fit; give this method the chunks",
        ),
        (
            lambda: LogisticRegression().fit(X, Y, X_val=STREAM, y_val=Y),
            "takes a stream only in fit",
        ),
        (lambda: DistilledClassifier(one()).fit(STREAM), "write the teacher's probabilities into"),
        (
            lambda: DistilledClassifier(None).fit(STREAM, teacher_logits=X),
            "DistilledClassifier takes no stream, because its teacher",
        ),
        (lambda: TemperatureScaler(one()).fit(STREAM), "give arrays of rows that the classifier"),
        (
            lambda: LogisticRegression(solver="adam").partial_fit(STREAM, classes=[0, 1]),
            "fit the stream, or call partial_fit with rows.X and rows.y",
        ),
    ],
)
def test_the_error_names_the_remedy(call, message: str):
    with pytest.raises(InputError, match=message):
        call()
