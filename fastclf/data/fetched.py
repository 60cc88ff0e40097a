"""Data sets that scikit-learn downloads and keeps in its data folder.

By default the folder is ``~/scikit_learn_data``, or the one that the environment variable
``SCIKIT_LEARN_DATA`` names. Scikit-learn alone reads its files, and loading some of them can
execute code: trust the folder as you trust an installed package.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from sklearn import datasets

from fastclf.data.dataset import Dataset
from fastclf.errors import DataError
from fastclf.table import Categories, Column, Numbers, Table

OPENML = "openml:"
"""Prefix of the names of OpenML's data sets: openml:31, openml:credit-g, openml:adult:2."""


@dataclass(frozen=True)
class FetchOptions:
    """The folder where scikit-learn keeps its data, and whether it may download more."""

    home: str | None
    download: bool

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments of scikit-learn's ``fetch_`` functions."""
        return {"data_home": self.home, "download_if_missing": self.download}


def load_fetched(name: str, data_home: str | None = None, download: bool = True) -> Dataset:
    """Return a data set of `FETCHED`, or one of OpenML by number or by name.

    Parameters
    ----------
    name : str
        A key of `FETCHED`, such as "covtype"; or "openml:31", "openml:credit-g" or, with a version,
        "openml:adult:2".
    data_home : str, optional
        The data folder of scikit-learn.
    download : bool
        Whether missing data are downloaded. Damaged files of OpenML are downloaded again.

    Raises
    ------
    DataError
        If the data are missing, or can't be downloaded or read.
    """
    options = FetchOptions(data_home, download)
    with _fetching(name, options):
        if name.startswith(OPENML):
            return _openml(name, options)
        return FETCHED[name](options)


def _covtype(options: FetchOptions) -> Dataset:
    bunch = datasets.fetch_covtype(**options.arguments())
    return _labelled("covtype", bunch.data, bunch.target.astype(np.int64), bunch.feature_names)


def _newsgroups(options: FetchOptions) -> Dataset:
    parts = []
    for subset in ("train", "test"):
        bunch = datasets.fetch_20newsgroups_vectorized(subset=subset, **options.arguments())
        labels = np.array(bunch.target_names)[bunch.target]
        names = [str(name) for name in bunch.feature_names]
        parts.append(_labelled("20newsgroups_vectorized", bunch.data, labels, names))
    return replace(parts[0], test=parts[1])


def _rcv1(options: FetchOptions) -> Dataset:
    parts = []
    for subset in ("train", "test"):
        bunch = datasets.fetch_rcv1(subset=subset, **options.arguments())
        names = tuple(f"x{i}" for i in range(bunch.data.shape[1]))
        topics = tuple(str(topic) for topic in bunch.target_names)
        parts.append(Dataset("rcv1", bunch.data, bunch.target.toarray(), names, topics))
    return replace(parts[0], test=parts[1])


def _kddcup99(options: FetchOptions) -> Dataset:
    bunch = datasets.fetch_kddcup99(**options.arguments())
    columns = zip(bunch.feature_names, bunch.data.T, strict=True)
    table = Table({name: _column(values) for name, values in columns})
    labels = np.array([label.decode() for label in bunch.target])
    return _labelled("kddcup99", table, labels, bunch.feature_names)


FETCHED: dict[str, Callable[[FetchOptions], Dataset]] = {
    "20newsgroups_vectorized": _newsgroups,
    "covtype": _covtype,
    "kddcup99": _kddcup99,
    "rcv1": _rcv1,
}


def _openml(name: str, options: FetchOptions) -> Dataset:
    which, _, version = name.removeprefix(OPENML).partition(":")
    if which.isdecimal():
        wanted: dict[str, Any] = {"data_id": int(which)}
        cached = f"api/v1/json/data/{which}"
    else:
        wanted = {"name": which, "version": int(version) if version else "active"}
        end = f"data_version/{version}" if version else "status/active"
        cached = f"api/v1/json/data/list/data_name/{which.lower()}/limit/2/{end}"
    home = datasets.get_data_home(options.home)
    folder = os.path.join(home, "openml", "openml.org")
    there = [os.path.join(folder, f"{cached}{end}.gz") for end in ("", "/")]
    if not options.download and not any(map(os.path.exists, there)):
        raise OSError("the data set isn't there")
    bunch = datasets.fetch_openml(
        **wanted, data_home=options.home, as_frame=False, parser="liac-arff"
    )
    if bunch.target is None or bunch.target.ndim != 1:
        raise ValueError("it has no target column, or several")
    features = bunch.data
    if not scipy.sparse.issparse(features):
        columns: dict[str, Column] = {}
        for i, column in enumerate(bunch.feature_names):
            values = features[:, i].astype(np.float64)
            names = bunch.categories.get(column)
            columns[column] = Numbers(values) if names is None else _coded(values, names)
        features = Table(columns)
    labels = np.array([str(label) for label in bunch.target.tolist()])
    return _labelled(bunch.details["name"], features, labels, bunch.feature_names)


def _labelled(name: str, features: Any, labels: np.ndarray, feature_names: list[str]) -> Dataset:
    classes = tuple(map(str, np.unique(labels).tolist()))
    return Dataset(name, features, labels, tuple(feature_names), classes)


def _column(values: np.ndarray) -> Column:
    """Return a column of numbers, or of bytes."""
    if not isinstance(values[0], bytes):
        return Numbers(values.astype(np.float64))
    names, codes = np.unique([value.decode() for value in values], return_inverse=True)
    return Categories(codes.astype(np.int32), tuple(names.tolist()))


def _coded(values: np.ndarray, names: list[str]) -> Categories:
    codes = np.where(np.isnan(values), -1, values).astype(np.int32)
    return Categories(codes, tuple(map(str, names)))


@contextmanager
def _fetching(name: str, options: FetchOptions) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, EOFError, AttributeError) as problem:
        reason = " ".join(str(problem).split())
        home = datasets.get_data_home(options.home)
        remedy = "" if options.download else ", or data.download to true"
        raise DataError(
            f"{name} can't be loaded from {home}: {reason}; set data.data_home to the folder that "
            f"has it{remedy}"
        ) from None
