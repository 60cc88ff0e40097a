"""Linear classifiers on rows of many machines: the estimators of fastclf for Dask's collections.

Examples
--------
>>> import dask.array as da
>>> from distributed import Client
>>> from fastclf.dask import LogisticRegression
>>> X = da.random.default_rng(0).normal(size=(1000, 3), chunks=(250, 3))
>>> with Client(processes=False, dashboard_address=":0") as client:
...     clf = LogisticRegression().fit(X, X[:, 0] > 0)
>>> clf.to_local().coef_.shape
(1, 3)
"""

from fastclf.errors import FastclfError

try:
    from fastclf.dask.estimators import (
        LogisticRegression,
        LogisticRegressionCV,
        MultiLabelLogisticRegression,
    )
except ModuleNotFoundError as missing:
    if (missing.name or "").split(".")[0] not in ("dask", "distributed"):
        raise
    raise FastclfError(
        "fastclf.dask needs dask and distributed, which aren't installed; "
        "run: pip install 'fastclf[dask]'"
    ) from None

__all__ = ["LogisticRegression", "LogisticRegressionCV", "MultiLabelLogisticRegression"]
