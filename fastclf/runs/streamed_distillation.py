"""The ``[distill]`` step of a streamed run: a teacher's predictions for rows in chunks."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.config import DistillTable, Recipe
from fastclf.data import Stream
from fastclf.data.arrays import teacher_array
from fastclf.data.files import teacher_outputs
from fastclf.data.prediction_rows import naming
from fastclf.data.stream_source import RawRows
from fastclf.errors import DataError
from fastclf.estimators.distilled import teacher_probabilities
from fastclf.estimators.distilled_streams import fit_taught, taught
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.streams import Rows
from fastclf.losses import Distillation
from fastclf.preprocessing import Encoder
from fastclf.runs.distillation import (
    DistilledStudent,
    RecordedTeacher,
    check_labels,
    load_teacher,
    output_kind,
    probabilities_of,
    run_probabilities,
)
from fastclf.runs.parts import Part, check_precision
from fastclf.runs.streamed import StreamedData


@dataclass(frozen=True, eq=False)
class StreamedTeacher:
    """A teacher from a file, from columns or from an earlier run.

    Attributes
    ----------
    labels : ndarray of shape (K,)
        The classes as values of the target.
    says : callable
        Returns the probabilities (m, K) for some rows of a part, given its number.
    of_part : callable
        Returns those for rows in memory, or None if a file has none for them.
    """

    labels: np.ndarray
    says: Callable[[RawRows, int], np.ndarray]
    of_part: Callable[[Part], np.ndarray | None]

    def of_rows(self, stream: Stream) -> np.ndarray:
        """Return the probabilities (n, K) for all rows of a stream, in order."""
        found = [np.empty((0, len(self.labels)))]
        for number in range(stream.n_parts):
            found += [self.says(raw, number) for raw in stream.tables_of_part(number)]
        return np.concatenate(found)


def open_teacher(table: DistillTable, data: StreamedData) -> StreamedTeacher:
    """Return the teacher of a recipe, for the rows of a stream.

    Raises
    ------
    ConfigError
        If the targets are no labels.
    DataError
        If the teacher's outputs can't be used.
    """
    check_labels(data.train)
    names = data.class_names
    if table.teacher_run is not None:
        model = load_teacher(Path(table.teacher_run))

        def of_run(part: Part) -> np.ndarray:
            return run_probabilities(model, part, names)

        return StreamedTeacher(data.labels, lambda raw, _: of_run(Part(raw.table, raw.y)), of_run)
    outputs = _of_columns(table) if table.teacher_columns else _of_file(table, data.stream)
    first = next((outputs(raw, i) for raw, i in _first_rows(data.stream) if len(raw.y)), None)
    kind = table.teacher_kind if first is None else output_kind(first, table.teacher_kind, names)

    def of_part(part: Part) -> np.ndarray | None:
        if part.teacher_outputs is None:
            return None
        return probabilities_of(part.teacher_outputs, kind, names, part.rows)

    return StreamedTeacher(
        data.labels,
        lambda raw, i: probabilities_of(outputs(raw, i), kind, names, raw.table.rows),
        of_part,
    )


def _first_rows(stream: Stream) -> Iterator[tuple[RawRows, int]]:
    for number in range(stream.n_parts):
        for raw in stream.tables_of_part(number):
            yield raw, number


def _of_columns(table: DistillTable) -> Callable[[RawRows, int], np.ndarray]:
    names = table.teacher_columns
    assert names is not None

    def outputs(raw: RawRows, number: int) -> np.ndarray:
        assert raw.beside is not None  # the stream reads these columns
        return teacher_outputs(raw.beside, names)

    return outputs


def _of_file(table: DistillTable, stream: Stream) -> Callable[[RawRows, int], np.ndarray]:
    """Return what looks up the outputs of rows by their numbers among those of all parts."""
    path = Path(str(table.teacher_file))
    array = teacher_array(path)
    sizes = stream.part_sizes()
    if sum(sizes) != len(array):
        raise DataError(f"{path}: has {len(array)} rows, and the data have {sum(sizes)}")
    before = np.cumsum([0, *sizes])

    def outputs(raw: RawRows, number: int) -> np.ndarray:
        rows = raw.table.rows - 1 - stream.place(number).before + before[number]
        found = np.asarray(array[rows], np.float64)
        if not np.isfinite(found).all():
            row = int(rows[~np.isfinite(found).all(axis=1)][0]) + 1
            raise DataError(
                f"{path}: row {row} of the teacher's outputs is missing or infinite; correct it"
            )
        return found

    return outputs


class _TaughtStream:
    """The encoded rows to train on, with what a teacher says of them in their y (m, K + 1)."""

    several_targets = True
    target_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None

    def __init__(self, data: StreamedData, teacher: StreamedTeacher, temperature: float) -> None:
        self.dtype = data.stream.dtype
        self.feature_names = data.feature_names
        self._data, self._teacher, self._temperature = data, teacher, temperature

    def rows_in_order(self) -> Iterator[Rows]:
        """Yield all rows, in the order of the file."""
        return self._read(range(self._data.stream.n_parts))

    def rows_shuffled(self, rng: np.random.Generator) -> Iterator[Rows]:
        """Yield all rows, with the parts of the file in random order."""
        return self._read(rng.permutation(self._data.stream.n_parts).tolist())

    def _read(self, parts: Iterable[int]) -> Iterator[Rows]:
        encoder, labels = self._data.preparation, self._data.labels
        assert isinstance(encoder, Encoder)  # rows have columns
        for number in parts:
            with naming(self._data.stream.part_name(number)):
                for raw in self._data.stream.tables_of_part(number):
                    if not len(raw.y):
                        continue
                    X: Any = encoder.apply(raw.table)
                    check_precision(X, raw.table.rows, self._data.feature_names)
                    p = self._teacher.says(raw, number)
                    recorded = RecordedTeacher(p, labels)
                    q, _ = teacher_probabilities(recorded, None, self._temperature)
                    yield Rows(X, taught(q, np.searchsorted(labels, raw.y)), raw.weights)


def fit_streamed_student(
    recipe: Recipe, data: StreamedData, student: LogisticRegression
) -> DistilledStudent:
    """Fit a student to a teacher and the labels of the training rows.

    Parameters
    ----------
    recipe : Recipe
        With a ``[distill]`` table.
    data : StreamedData
    student : LogisticRegression
        The unfitted student.

    Raises
    ------
    ConfigError
        If the data have no labels.
    DataError
        If the teacher's outputs can't be used.
    """
    table = recipe.distill
    assert table is not None
    teacher = open_teacher(table, data)
    mixture = Distillation(table.temperature, table.hard_weight)
    fit_taught(student, _TaughtStream(data, teacher, table.temperature), data.labels, mixture)
    if not len(data.test):
        return DistilledStudent(student)
    if data.test_stream is None:
        p = teacher.of_part(data.test)
    else:
        p = teacher.of_rows(data.test_stream)
    return DistilledStudent(student, p, None if p is None else data.labels[p.argmax(axis=1)])
