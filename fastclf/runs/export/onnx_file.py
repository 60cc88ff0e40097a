"""A model as an ONNX file, which is compared with the model before it is kept."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fastclf import __version__
from fastclf.encoded import as_numbers
from fastclf.errors import InputError, RunError
from fastclf.estimators.exported import as_sklearn
from fastclf.linear_model import LinearModel
from fastclf.runs.evaluation import logits_of
from fastclf.runs.export.sample import generated_rows, own_rows
from fastclf.runs.files import write_output
from fastclf.runs.prediction import Predictor
from fastclf.table import Categories, Lists, Numbers, Table, as_categories, quoted
from fastclf.text_features import TextColumn

LABEL, PROBABILITIES = "label", "probabilities"
MATRIX = "X"
"""The input of a model without an encoder, (n, d)."""

_OPSETS = {"": 18, "ai.onnx.ml": 3}  # which runtimes have had since 2023
_WORD = r"[\p{L}\p{N}_][\p{L}\p{N}_]+"
"""What scikit-learn takes for a word, as a regular expression of RE2."""

_TOLERANCE = 1e-4
"""Largest difference of probabilities: ONNX's operators for models compute in float32."""


@dataclass(frozen=True)
class Checked:
    """What was compared before the file was written.

    Attributes
    ----------
    n_rows : int
        The number of rows, generated ones included.
    n_own : int
        The number of rows of the run's own data; 0 if they couldn't be read.
    difference : float
        The largest difference of probabilities.
    """

    n_rows: int
    n_own: int
    difference: float

    def sentence(self) -> str:
        """Return the comparison in words."""
        own = f"{self.n_own:,} of them from the run's data" if self.n_own else "all generated"
        return (
            f"predictions are those of the model on {self.n_rows:,} rows ({own}), and "
            f"probabilities differ by at most {self.difference:.1g}"
        )


def write_onnx(predictor: Predictor, path: Path) -> Checked:
    """Write a model as an ONNX file, if it predicts what the model does.

    The file takes an input (n, 1) for each raw column, a number in float32 or text, in which NaN
    and "" are missing values; or the input "X" (n, d) if the model has no encoder. Its outputs are
    "label", (n,) or the indicators (n, L), and "probabilities", (n, K) or (n, L).

    Raises
    ------
    InputError
        If a package is missing, the model can't be converted, or the conversion predicts something
        else. No file is written then.
    RunError
        If the file can't be written.
    """
    content = to_onnx(predictor.model)
    own = own_rows(predictor.model, predictor.data)
    samples = [rows for rows in (own, generated_rows(predictor.model)) if rows is not None]
    try:
        checked = compare(content, predictor.model, samples)
    except InputError as problem:
        raise RunError(f"{path}: not written, because {problem}") from None
    write_output(path, content, "name another place with -o")
    return replace(checked, n_own=0 if own is None else own.shape[0])


def to_onnx(model: LinearModel) -> bytes:
    """Return the content of an ONNX file for a model.

    Raises
    ------
    InputError
        If a package is missing, or the model can't be converted.
    """
    _need("onnx", "skl2onnx", "onnxruntime")
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    _check(model)
    labels = model.classes if model.task != "multilabel" else np.arange(len(model.classes))
    plain = as_sklearn(replace(model, classes=labels), decide=False, text_only=True)
    inputs = [(MATRIX, FloatTensorType([None, model.n_features]))]
    if model.encoder is not None:
        text = {*model.encoder.categorical}
        used = np.hstack([names for _, _, names in plain[0].transformers_]).tolist()
        kinds = {True: StringTensorType, False: FloatTensorType}
        inputs = [
            (name, kinds[name in text]([None, 1]))
            for name in model.encoder.column_names
            if name in used
        ]
    try:
        found = convert_sklearn(
            plain,
            "fastclf",
            inputs,
            target_opset=_OPSETS,
            options={id(plain): {"zipmap": False}, **_options_of_words(plain)},
        )
    except Exception as problem:  # of any kind, from a converter
        reason = " ".join(str(problem).split())
        raise InputError(f"skl2onnx can't convert this model: {reason}") from None
    _set_locale(found.graph, model)
    _correct_logarithms(found.graph)
    _apply_thresholds(found.graph, model)
    _name_tensors(found.graph, [name for name, _ in inputs])
    found.producer_name, found.producer_version = "fastclf", __version__
    return found.SerializeToString()


def compare(content: bytes, model: LinearModel, samples: Iterable[Any]) -> Checked:
    """Run an ONNX file on some rows, and compare the results with a model's.

    Labels must be equal, except where the probabilities are so near to a threshold, or to each
    other, that the difference that is allowed decides between them.

    Parameters
    ----------
    content : bytes
    model : LinearModel
    samples : iterable of Table or array-like of shape (n, d)

    Raises
    ------
    InputError
        If the file can't be run, or predicts something else.
    """
    _need("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # no warnings on standard error
    worst, n_rows = 0.0, 0
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as problem:  # onnxruntime's errors have no common class
        raise InputError(f"onnxruntime refuses it: {' '.join(str(problem).split())}") from None
    names = [one.name for one in session.get_inputs()]
    for rows in samples:
        logits = logits_of(model, rows)
        expected, p = model.predictions(logits), model.probabilities(logits)
        label, found = session.run([LABEL, PROBABILITIES], _feed(rows, model, names))
        if found.shape != p.shape or label.shape != expected.shape:
            raise InputError(
                f"its results have the shapes {label.shape} and {found.shape}, and not "
                f"{expected.shape} and {p.shape}"
            )
        n_rows += len(p)
        difference = float(np.abs(found - p).max(initial=0.0))
        worst = max(worst, difference)
        if not difference <= _TOLERANCE:  # also NaN
            raise InputError(
                f"its probabilities differ from the model's by {difference:.2g}, more than "
                f"{_TOLERANCE:g}, for float32 isn't enough; train with data.scale set to "
                "standard, or with a smaller model.C"
            )
        differ = (label != expected) & ~_undecided(model, p)
        if differ.any():
            raise InputError(
                f"{int(differ.sum())} of {differ.size} labels differ, though the probabilities "
                f"differ by {worst:.2g} only; report this"
            )
    return Checked(n_rows, 0, worst)


def _undecided(model: LinearModel, p: np.ndarray) -> np.ndarray:
    """Return where a prediction hangs on a difference of probabilities that is allowed."""
    margin = 2 * _TOLERANCE
    if model.task == "multiclass":
        first = np.partition(p, -2, axis=1)
        return first[:, -1] - first[:, -2] <= margin
    if model.task == "multilabel":
        return np.abs(p - model.threshold) <= margin
    return np.abs(p[:, 1] - (0.5 if model.threshold is None else model.threshold[0])) <= margin


def _feed(rows: Any, model: LinearModel, names: list[str]) -> dict[str, np.ndarray]:
    """Return rows as the inputs of the ONNX file."""
    if not isinstance(rows, Table):
        if model.encoder is None:
            dense = rows.toarray() if hasattr(rows, "toarray") else np.asarray(rows)
            return {MATRIX: dense.astype(np.float32)}
        columns = dict(zip(model.encoder.column_names, rows.T, strict=True))
        return {name: columns[name].astype(np.float32)[:, None] for name in names}
    if model.encoder is None:
        values = [_numbers(rows, name) for name in model.feature_names or ()]
        return {MATRIX: np.concatenate(values, axis=1)}
    text = {*model.encoder.categorical}
    return {name: _text(rows, name) if name in text else _numbers(rows, name) for name in names}


def _numbers(rows: Table, name: str) -> np.ndarray:
    values = as_numbers(name, _plain(rows, name), rows.rows).values
    return values.astype(np.float32)[:, None]


def _text(rows: Table, name: str) -> np.ndarray:
    column = as_categories(_plain(rows, name))
    return np.array([*column.names, ""], dtype=object)[column.codes][:, None]  # -1 is the last


def _plain(rows: Table, name: str) -> Numbers | Categories:
    column = rows.columns[name]
    assert not isinstance(column, Lists)  # the model has encoded it
    return column


def _check(model: LinearModel) -> None:
    """Refuse models that the operators of ONNX can't express."""
    if model.top_k is not None:
        raise InputError(
            f"the model predicts the {model.top_k} most probable labels of each row (top_k), "
            "which isn't exported; train without model.top_k, and thresholds decide"
        )
    if model.classes.dtype.kind == "f" and (model.classes % 1 != 0).any():
        raise InputError(
            f"the class {model.classes[model.classes % 1 != 0][0]} is no whole number, and labels "
            "of ONNX are text or whole numbers; name the classes by text"
        )
    for name in () if model.encoder is None else model.encoder.column_names:
        if name in ("", LABEL, PROBABILITIES):
            raise InputError(
                f"a column is named {quoted(name)}, which an input of ONNX can't be, because an "
                "output has that name or names are never empty; rename the column, and train again"
            )


def _options_of_words(plain: Any) -> dict[int, Any]:
    """Return the options by which text is cut into the words of scikit-learn's vectorizers."""
    parts = getattr(plain[0], "transformers_", ()) if hasattr(plain, "steps") else ()
    vectorizers = [part for _, part, _ in parts if hasattr(part, "token_pattern")]
    return {id(one): {"tokenexp": _WORD} for one in vectorizers if one.analyzer == "word"}


def _set_locale(graph: Any, model: LinearModel) -> None:
    """Have text with an ASCII vocabulary converted to lower case by the locale that is everywhere.

    It knows ASCII letters alone, which are all that can match then.
    """
    from onnx import helper

    columns = () if model.encoder is None else model.encoder.columns
    terms = (term for one in columns if isinstance(one, TextColumn) for term in one.vocabulary)
    if not all(term.isascii() for term in terms):
        return
    for node in graph.node:
        if node.op_type == "StringNormalizer":
            others = [one for one in node.attribute if one.name != "locale"]
            del node.attribute[:]
            node.attribute.extend([*others, helper.make_attribute("locale", "C")])


def _correct_logarithms(graph: Any) -> None:
    """Replace ``log(1 + c)`` of counts c, which skl2onnx takes for ``1 + log(c)``.

    That is ``log(max(c, 1)) + min(c, 1)``, also where there is none.
    """
    from onnx import helper

    of_output = {node.output[0]: node for node in graph.node}
    nodes = []
    for node in graph.node:
        sum_ = of_output.get(node.input[0]) if node.op_type == "Log" else None
        if sum_ is None or sum_.op_type != "Add" or "plus1" not in sum_.output[0]:
            nodes.append(node)
            continue
        counts, one = sum_.input
        nodes.remove(sum_)
        own = [f"{node.output[0]}_{name}" for name in ("least", "log", "most")]
        nodes += [
            helper.make_node("Max", [counts, one], own[:1]),
            helper.make_node("Log", own[:1], own[1:2]),
            helper.make_node("Min", [counts, one], own[2:]),
            helper.make_node("Add", own[1:], [node.output[0]]),
        ]
    del graph.node[:]
    graph.node.extend(nodes)


def _apply_thresholds(graph: Any, model: LinearModel) -> None:
    """Replace the labels of a graph, which are those of thresholds of one half."""
    from onnx import TensorProto, helper, numpy_helper

    if model.threshold is None or (model.threshold == 0.5).all():
        return
    label, p = graph.output
    nodes: list[tuple[str, list[str], str, dict[str, Any]]]
    own = {"own_threshold": model.threshold.astype(np.float32)}
    if model.task == "multilabel":
        nodes = [
            ("Greater", [p.name, "own_threshold"], "own_above", {}),
            ("Cast", ["own_above"], "own_label", {"to": TensorProto.INT64}),
        ]
    else:
        is_text = label.type.tensor_type.elem_type == TensorProto.STRING
        own["own_second"] = np.array(1, np.int64)
        for name, value in zip(("own_no", "own_yes"), model.classes, strict=True):
            kind: Any = (str, object) if is_text else (int, np.int64)
            own[name] = np.array([kind[0](value)], kind[1])
        nodes = [
            ("Gather", [p.name, "own_second"], "own_p", {"axis": 1}),
            ("Greater", ["own_p", "own_threshold"], "own_above", {}),
            ("Where", ["own_above", "own_yes", "own_no"], "own_label", {}),
        ]
    for operator, inputs, output, attributes in nodes:
        graph.node.append(helper.make_node(operator, inputs, [output], **attributes))
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in own.items())
    label.name = "own_label"


def _name_tensors(graph: Any, inputs: list[str]) -> None:
    """Give inputs and outputs their names; skl2onnx makes words of ASCII letters of the former."""
    if len(graph.input) != len(inputs):
        raise InputError(
            f"skl2onnx made {len(graph.input)} inputs of {len(inputs)} columns; report this"
        )
    ends = [*graph.input, *graph.output]
    names = dict(zip((one.name for one in ends), [*inputs, LABEL, PROBABILITIES], strict=True))
    names[""] = ""  # an optional input that isn't there
    for tensor in (*ends, *graph.initializer):
        tensor.name = names.get(tensor.name, f"fastclf/{tensor.name}")
    for node in graph.node:
        node.input[:] = [names.get(name, f"fastclf/{name}") for name in node.input]
        node.output[:] = [names.get(name, f"fastclf/{name}") for name in node.output]
    del graph.value_info[:]


def _need(*packages: str) -> None:
    from importlib.util import find_spec

    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise InputError(
            f"ONNX files need {' and '.join(missing)}; install: pip install 'fastclf[onnx]'"
        )
