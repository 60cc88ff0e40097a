"""`LinearModel`: a fitted linear model as plain data, which predicts and is saved to one file.

The file is in the safetensors format: arrays, and JSON text in its metadata. Loading it never
executes code.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy

from fastclf.errors import InputError, ModelFileError
from fastclf.files import replacing
from fastclf.model_file import check_is_text, pack, unpack
from fastclf.preprocessing import Encoder
from fastclf.table import Numbers, Table

Task = Literal["binary", "multiclass", "multilabel"]

_FORMAT = 4  # format 1 has no encoder; 2 no temperature and no top_k; 3 no columns of raw text
_FORMAT_WITHOUT_TEXT = 3
_FORMAT_WITHOUT_TEMPERATURE = 2  # written for models without temperature and top_k


@dataclass(frozen=True)
class Affine:
    """A shift and a scale of each feature, ``(x - shift) / scale``.

    Parameters
    ----------
    shift, scale : ndarray of shape (d,)
    """

    shift: np.ndarray
    scale: np.ndarray

    def apply(self, X: Any) -> Any:
        """Return X (n, d) shifted and scaled, in its dtype; a sparse X needs a shift of 0."""
        if scipy.sparse.issparse(X):
            if self.shift.any():
                raise InputError("this model shifts its features, so X must be dense, not sparse")
            X = X.tocsr(copy=True)
            X.data = (X.data / self.scale[X.indices]).astype(X.dtype)
            return X
        return ((X - self.shift) / self.scale).astype(X.dtype)


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier over d features.

    Parameters
    ----------
    theta : ndarray of shape (d + 1, C)
        Coefficients, and intercepts in the last row; C = 1 for two classes.
    task : {"binary", "multiclass", "multilabel"}
    classes : ndarray of shape (K,)
        The classes; for "multilabel" the labels.
    threshold : ndarray of shape (C,), optional
        A label, or the second class of "binary", is predicted if its probability is larger.
    preprocessing : Affine, optional
        Applied to the features before the coefficients.
    encoder : Encoder, optional
        Turns the raw columns of a table into features.
    feature_names : tuple of str, optional
    metadata : mapping
        Other values that JSON can hold.
    temperature : float
        T > 0, by which the logits are divided; 1 unless the model is calibrated.
    top_k : int, optional
        For "multilabel": predict this number of most probable labels in each row, instead of using
        the threshold.
    """

    theta: np.ndarray
    task: Task
    classes: np.ndarray
    threshold: np.ndarray | None = None
    preprocessing: Affine | None = None
    encoder: Encoder | None = None
    feature_names: tuple[str, ...] | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    temperature: float = 1.0
    top_k: int | None = None

    @property
    def n_features(self) -> int:
        """The number of features d."""
        return self.theta.shape[0] - 1

    @property
    def column_names(self) -> tuple[str, ...] | None:
        """The names of the raw columns, if they are known."""
        return self.feature_names if self.encoder is None else self.encoder.column_names

    def decision_function(
        self, X: Any, n_threads: int | None = None, first_row: int = 1
    ) -> np.ndarray:
        """Return the logits, divided by the temperature: (n,) for two classes, (n, C) otherwise.

        Parameters
        ----------
        X : Table, array-like or CSR matrix of shape (n, d)
            Finite numbers, or a table of raw columns. If the model has an encoder, a matrix holds
            the raw columns, which must all be numeric.
        n_threads : int, optional
        first_row : int
            The number in its file of the first row of a matrix, for messages. A table has the
            numbers of its rows.

        Raises
        ------
        InputError
            If X has a wrong number of columns, or holds NaN or infinity.
        DataError
            If a table can't be encoded.
        """
        rows = X.rows if isinstance(X, Table) else first_row
        X = _floats(self._features(X, first_row))
        transform = None if self.preprocessing is None else self.preprocessing.apply
        logits = _logits().logits_of(self.theta, X, transform, n_threads)
        _logits().check_finite(X, logits, self.theta, rows, self.feature_names)
        if self.temperature != 1:
            logits /= logits.dtype.type(self.temperature)
        return logits[:, 0] if self.task == "binary" else logits

    def _features(self, X: Any, first_row: int) -> Any:
        if isinstance(X, Table):
            if self.encoder is not None:
                return self.encoder.apply(X)
            if self.feature_names is None:
                raise InputError(
                    "this model has no feature names, so it can't predict for a table; give a "
                    "matrix"
                )
            return Encoder.of_numbers(self.feature_names, str(self.theta.dtype)).apply(X)
        if self.encoder is None:
            return X
        if self.encoder.categorical:
            raise InputError(
                f"this model encodes raw columns ({', '.join(self.encoder.categorical)} are "
                "categories, dates or raw text), so it needs a table, not a matrix"
            )
        X = X.toarray() if scipy.sparse.issparse(X) else _floats(X)
        names = self.encoder.column_names
        if X.ndim != 2 or X.shape[1] != len(names):
            raise InputError(
                f"X must have shape (n, {len(names)}), the columns of this model; got {X.shape}"
            )
        columns = {name: Numbers(values) for name, values in zip(names, X.T, strict=True)}
        return self.encoder.apply(Table(columns, np.arange(first_row, first_row + len(X))))

    def predict_proba(self, X: Any, n_threads: int | None = None) -> np.ndarray:
        """Return the probabilities of all classes, (n, K), or of all labels, (n, L)."""
        return self.probabilities(self.decision_function(X, n_threads))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the probabilities for logits of :meth:`decision_function`."""
        functional = _functional()
        if self.task == "multiclass":
            return functional.softmax(logits)
        if self.task == "multilabel":
            return np.asarray(functional.sigmoid(logits))
        return np.stack([functional.sigmoid(-logits), functional.sigmoid(logits)], axis=1)

    def predict_log_proba(self, X: Any, n_threads: int | None = None) -> np.ndarray:
        """Return the logarithms of the probabilities, exact even where these round to 0 or 1."""
        return self.log_probabilities(self.decision_function(X, n_threads))

    def log_probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return the logarithms of the probabilities for logits of :meth:`decision_function`."""
        functional = _functional()
        if self.task == "multiclass":
            return functional.log_softmax(logits)
        if self.task == "multilabel":
            return np.asarray(functional.log_sigmoid(logits))
        return np.stack([functional.log_sigmoid(-logits), functional.log_sigmoid(logits)], axis=1)

    def predict(self, X: Any, n_threads: int | None = None) -> np.ndarray:
        """Return the predicted class of each row, (n,), or the indicators of the labels, (n, L)."""
        return self.predictions(self.decision_function(X, n_threads))

    def predictions(self, logits: np.ndarray) -> np.ndarray:
        """Return the predictions for logits of :meth:`decision_function`, as :meth:`predict`."""
        codes = self.decide(logits)
        return codes if self.task == "multilabel" else self.classes[codes]

    def decide(self, logits: np.ndarray) -> np.ndarray:
        """Return the predictions for logits of :meth:`decision_function` as integers.

        Returns
        -------
        ndarray of int of shape (n,) or (n, L)
            Indices into ``classes``, or indicators of the labels.
        """
        if self.task == "multiclass":
            return logits.argmax(axis=1)
        if self.top_k is not None:
            first = np.argsort(-logits, axis=1, kind="stable")[:, : self.top_k]
            chosen = np.zeros(logits.shape, np.intp)
            np.put_along_axis(chosen, first, 1, axis=1)
            return chosen
        if self.task == "multilabel":
            return (self.probabilities(logits) > self.threshold).astype(np.intp)
        if self.threshold is not None:
            return (self.probabilities(logits)[:, 1] > self.threshold[0]).astype(np.intp)
        return (logits > 0).astype(np.intp)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a file, replacing it in one step.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.safetensors``.

        Raises
        ------
        ModelFileError
            If the format can't hold the classes, the model is invalid so that `load` would refuse
            it, or the file can't be written.
        """
        has_text = self.encoder is not None and bool(self.encoder.text)
        format_needed = _FORMAT_WITHOUT_TEMPERATURE
        if self.temperature != 1 or self.top_k is not None:
            format_needed = _FORMAT_WITHOUT_TEXT
        if has_text:
            format_needed = _FORMAT
        names = self.feature_names
        if has_text and self.encoder is not None and names == self.encoder.feature_names:
            names = None  # `_from_parts` takes them from the encoder, which has the vocabulary
        tensors = {"theta": np.ascontiguousarray(self.theta)}
        text: dict[str, Any] = {
            "format": format_needed,
            "task": self.task,
            "feature_names": names,
            "metadata": dict(self.metadata),
        }
        if self.temperature != 1:
            text["temperature"] = float(self.temperature)
        if self.top_k is not None:
            text["top_k"] = int(self.top_k)
        if self.threshold is not None:
            tensors["threshold"] = np.asarray(self.threshold, dtype=np.float64)
        if self.preprocessing is not None:
            tensors["shift"] = np.ascontiguousarray(self.preprocessing.shift)
            tensors["scale"] = np.ascontiguousarray(self.preprocessing.scale)
        if self.encoder is not None:
            arrays, text["encoder"] = self.encoder.to_data()
            tensors |= arrays
        if self.classes.dtype.kind in "biuf" and self.classes.dtype.itemsize <= 8:
            tensors["classes"] = np.ascontiguousarray(self.classes)
        elif all(isinstance(name, str) for name in self.classes.tolist()):
            text["classes"] = self.classes.tolist()
            text["classes_dtype"] = "object" if self.classes.dtype.kind == "O" else "str"
        else:
            raise ModelFileError(
                f"classes of dtype {self.classes.dtype} can't be saved; "
                "use strings, integers, floats of up to 64 bits or booleans as labels"
            )
        tensors = {
            name: array.astype(array.dtype.newbyteorder("="), copy=False)
            for name, array in tensors.items()
        }
        try:
            self._from_parts(tensors, json.loads(json.dumps(text)))
            content = pack(tensors, text)
        except ValueError as error:
            raise ModelFileError(f"{path}: this model can't be saved: {error}") from None
        path = Path(path)
        try:
            with replacing(path) as file:
                file.write(content)
        except OSError as error:
            raise ModelFileError(f"{path}: can't be written: {error.strerror}") from None

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LinearModel":
        """Read a model from a file that :meth:`save` wrote.

        Raises
        ------
        ModelFileError
            If the file can't be read, is damaged, or isn't a model file.
        """
        path = Path(path)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelFileError(f"{path}: can't be read: {error.strerror}") from None
        try:
            tensors, text, is_intact = unpack(content)
            model = cls._from_parts(tensors, text)
            if not is_intact:
                raise ValueError("its checksum is wrong")
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise ModelFileError(
                f"{path}: not a model file of fastclf, or a damaged one ({error}); "
                "write it again with save()"
            ) from None
        return model

    @classmethod
    def _from_parts(cls, tensors: dict[str, np.ndarray], text: dict[str, Any]) -> "LinearModel":
        check_is_text(text)
        if text["format"] not in range(1, _FORMAT + 1):
            raise ValueError(f"format {text['format']!r}, but this version reads up to {_FORMAT}")
        classes = tensors.get("classes")
        if classes is None:
            kind = object if text["classes_dtype"] == "object" else np.str_
            if not all(isinstance(name, str) for name in text["classes"]):
                raise ValueError("classes that are not strings")
            classes = np.array(list(text["classes"]), dtype=kind)
        theta, threshold = tensors["theta"], tensors.get("threshold")
        shift, scale = tensors.get("shift"), tensors.get("scale")
        names = text["feature_names"]
        task = text["task"]
        if task not in ("binary", "multiclass", "multilabel"):
            raise ValueError(f"unknown task {task!r}")
        if theta.ndim != 2 or theta.shape[0] < 2 or theta.dtype.kind != "f":
            raise ValueError(f"theta of shape {theta.shape} and dtype {theta.dtype}")
        if not np.isfinite(theta).all():
            raise ValueError("theta is not finite")
        d, columns = theta.shape[0] - 1, theta.shape[1]
        if classes.ndim != 1 or len(classes) != (2 if task == "binary" else columns):
            raise ValueError(f"{len(classes)} classes for {columns} columns")
        if columns < {"binary": 1, "multiclass": 3, "multilabel": 1}[task] or (
            task == "binary" and columns > 1
        ):
            raise ValueError(f"{columns} columns for a {task} task")
        if task == "multilabel" and threshold is None:
            raise ValueError("no threshold for a multilabel task")
        if threshold is not None:
            if task == "multiclass" or threshold.shape != (columns,):
                raise ValueError(f"a threshold of shape {threshold.shape} for a {task} task")
            if not ((threshold >= 0) & (threshold <= 1)).all():
                raise ValueError("a threshold outside [0, 1]")
        if (shift is None) != (scale is None):
            raise ValueError("shift without scale, or scale without shift")
        for array in (shift, scale):
            if array is not None and (array.shape != (d,) or array.dtype.kind != "f"):
                raise ValueError(
                    f"preprocessing of shape {array.shape} and {array.dtype} for {d} features"
                )
        if shift is not None and not np.isfinite(shift).all():
            raise ValueError("a shift that is not finite")
        if scale is not None and not ((scale > 0) & (scale < np.inf)).all():
            raise ValueError("a scale that is not a positive number")
        if names is not None and len(names) != d:
            raise ValueError(f"{len(names)} feature names for {d} features")
        described = text.get("encoder")
        encoder = None if described is None else Encoder.from_data(tensors, described)
        if encoder is not None and encoder.n_features != d:
            raise ValueError(f"an encoder of {encoder.n_features} features for {d} features")
        if names is None and encoder is not None and encoder.text:
            names = encoder.feature_names
        temperature = text.get("temperature", 1.0)
        if not isinstance(temperature, float) or not 1e-30 <= temperature <= 1e30:
            raise ValueError(f"a temperature of {temperature!r}")
        top_k = text.get("top_k")
        if top_k is not None and (
            task != "multilabel" or type(top_k) is not int or not 1 <= top_k <= columns
        ):
            raise ValueError(f"top_k of {top_k!r}")
        return cls(
            theta=theta,
            task=task,
            classes=classes,
            threshold=threshold,
            preprocessing=None if shift is None or scale is None else Affine(shift, scale),
            encoder=encoder,
            feature_names=None if names is None else tuple(map(str, names)),
            metadata=dict(text["metadata"]),
            temperature=temperature,
            top_k=top_k,
        )


# Imported on first use, so that a model is read without Numba, whose import takes long.
@cache
def _logits() -> Any:
    from fastclf import logits

    return logits


@cache
def _functional() -> Any:
    from fastclf import functional

    return functional


def _floats(X: Any) -> Any:
    if not scipy.sparse.issparse(X):
        X = np.asarray(X)
    if X.dtype in (np.float32, np.float64):
        return X
    try:
        return X.astype(np.float64)
    except (TypeError, ValueError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"X must hold numbers, got dtype {X.dtype}: {reason}") from None
