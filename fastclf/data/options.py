"""The keys that say how a data file is read; ``[data]`` of recipes and ``[source]`` of cards."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, ValidationInfo, model_validator

from fastclf.data.encodings import is_encoding
from fastclf.data.tables import Format
from fastclf.toml import AS_TUPLE, Table, mistake


def _in_folder(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder", Path())
    return str((folder / path).resolve())


def is_delimiter(text: str) -> bool:
    """Tell whether some text can be the delimiter of a CSV file."""
    return len(text) == 1 and text.isascii() and text not in '\n\r"\0'


def _one_character(delimiter: str) -> str:
    if not is_delimiter(delimiter):
        raise mistake(
            "data.delimiter",
            f"delimiter = {delimiter!r}: must be one character in ASCII, and not a quote or a "
            "line break",
        )
    return delimiter


def _known_encoding(encoding: str) -> str:
    if not is_encoding(encoding):
        raise mistake(
            "data.encoding",
            f"encoding = {encoding!r}: the encoding is unknown; use utf-8, cp1252, latin-1, "
            "utf-16 or another "
            "name of an encoding that Python knows",
        )
    return encoding


FilePath = Annotated[str, AfterValidator(_in_folder)]
Names = Annotated[tuple[str, ...], Strict(False)]
TargetKind = Literal[
    "auto", "labels", "indicators", "distribution", "counts", "logits", "label_lists"
]


class FileOptions(Table):
    """How a data file is read.

    Attributes
    ----------
    format : str, optional
        "csv", "tsv", "jsonl", "parquet", "arrow", "npz", "npy" or "svmlight"; by default that of
        the suffix.
    header : bool, optional
        CSV: whether the first row holds the names of the columns. By default it does unless all of
        its values are numbers. Without names the columns are c0, c1 and so on.
    delimiter : str, optional
        CSV: the character between two values. By default a comma, semicolon, tab or ``|``, detected
        from the first rows; in TSV a tab.
    decimal : {".", ","}, optional
        CSV: the decimal mark; by default a comma if numbers in the first rows have one.
    encoding : str, optional
        CSV: the encoding, such as "latin-1" or "cp1252". By default UTF-8; UTF-16 if the file has
        its byte-order mark; else Windows-1252, with a warning.
    target : str, int or list of them, optional
        The column to predict, by name or by index (-1 is the last), or several columns. By default
        the column that is named target, label, class or y.
    target_path : str, optional
        A file with the targets, with a row for each row of the data: NPY, NPZ with one array, or a
        file of named columns. ``target`` names the columns to use; by default all.
    target_kind : str
        "labels": one label per row. "indicators": a column for each label, of 0, 1 or
        probabilities. "distribution", "counts" or "logits": a column for each class, of
        probabilities, numbers of votes or logits. "label_lists": one column with lists of labels.
        "auto", the default, means label_lists for one column of lists or with ``label_separator``,
        and labels for any other single column; for several columns it means indicators if all
        values are 0 or 1, else distribution.
    target_temperature : float
        With logits: the temperature by which they are divided before the softmax.
    count_weights : bool
        With counts: whether the weight of a row in the fit is its number of votes.
    weight : str, optional
        A column, in NPZ an array, with the weights of the rows in the fit and in ``[calibrate]``.
        Metrics are unweighted. The column isn't a feature.
    label_separator : str, optional
        The text between two labels of a list, such as ";".
    missing_target : {"error", "drop", "keep"}
        What to do about rows without a target. "keep" is for several labels per row: a row stays if
        some of its labels are known, and its unknown labels are ignored in the fit and in metrics.
    test_path : str, optional
        A file of the same format with the test rows.
    drop : tuple of str
        Columns to leave out.
    columns : tuple of str, optional
        The columns that are features; by default all others.
    categorical : tuple of str
        Columns that are categories even if they hold numbers.
    text : tuple of str
        Columns of raw text, such as messages, whose words become TF-IDF features. A missing value
        is an empty text.
    split_by : str, optional
        A column that decides which rows are test rows. It isn't a feature unless ``columns`` names
        it.
    split_kind : {"group", "time"}
        With ``split_by``: "group" keeps rows with equal values together; "time" takes the rows with
        the largest values as test rows.

    Examples
    --------
    >>> from fastclf.data import FileOptions
    >>> options = FileOptions(target="approved", drop=("id",), split_by="customer")
    >>> options.target, options.split_kind
    ('approved', 'group')
    """

    format: Format | None = None
    header: bool | None = None
    delimiter: Annotated[str, AfterValidator(_one_character)] | None = None
    decimal: Literal[".", ","] | None = None
    encoding: Annotated[str, AfterValidator(_known_encoding)] | None = None
    target: str | int | Annotated[tuple[str | int, ...], Field(min_length=1), AS_TUPLE] | None = (
        None
    )
    target_path: FilePath | None = None
    target_kind: TargetKind = "auto"
    target_temperature: Annotated[float, Field(gt=0)] = 1.0
    count_weights: bool = False
    weight: str | None = None
    label_separator: Annotated[str, Field(min_length=1)] | None = None
    missing_target: Literal["error", "drop", "keep"] = "error"
    test_path: FilePath | None = None
    drop: Names = ()
    columns: Annotated[Names, Field(min_length=1)] | None = None
    categorical: Names = ()
    text: Names = ()
    split_by: str | None = None
    split_kind: Literal["group", "time"] = "group"

    @model_validator(mode="after")
    def _options_of_the_kind(self) -> "FileOptions":
        for key, kind, default in (
            ("target_temperature", "logits", 1.0),
            ("count_weights", "counts", False),
        ):
            if getattr(self, key) != default and self.target_kind != kind:
                raise mistake(f"data.{key}", f'{key} needs target_kind = "{kind}"')
        if self.count_weights and self.weight is not None:
            raise mistake(
                "data.count_weights",
                "count_weights and weight both set the weight of a row; leave out one of them",
            )
        if self.target_path is not None and self.test_path is not None:
            raise mistake(
                "data.target_path",
                "target_path: a test file needs its own targets; leave out test_path, or put the "
                "targets into the files",
            )
        return self

    @model_validator(mode="after")
    def _text_or_categories(self) -> "FileOptions":
        for name in self.text:
            if name in self.categorical:
                raise mistake(
                    "data.text",
                    f'"{name}" is in both text and categorical; remove it from one of them',
                )
        return self

    @model_validator(mode="after")
    def _one_test_part(self) -> "FileOptions":
        if self.split_by is not None and self.test_path is not None:
            raise mistake(
                "data.split_by",
                "split_by and test_path both choose the test rows; leave out one of them",
            )
        return self
