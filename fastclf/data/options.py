"""How a data file is read: the keys that a recipe's ``[data]`` and a card's ``[source]`` share."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, ValidationInfo, model_validator

from fastclf.data.tables import Format
from fastclf.toml import AS_TUPLE, Table, mistake


def _in_folder(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder", Path())
    return str((folder / path).resolve())


def is_delimiter(text: str) -> bool:
    """Tell whether some text can be between two values of a CSV file."""
    return len(text) == 1 and text.isascii() and text not in '\n\r"\0'


def _one_character(delimiter: str) -> str:
    if not is_delimiter(delimiter):
        raise mistake(
            "data.delimiter",
            f"delimiter = {delimiter!r}: must be one character in ASCII, and not a quote or a "
            "line break",
        )
    return delimiter


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
        "csv", "tsv", "parquet", "arrow", "npz", "npy" or "svmlight"; by default that of the suffix.
    header : bool, optional
        CSV: whether the first row names the columns. By default it does unless it has numbers only;
        without names the columns are c0, c1 and so on.
    delimiter : str, optional
        CSV: the character between two values; by default the comma, semicolon, tab or | that the
        first rows show, and a tab in TSV.
    decimal : {".", ","}, optional
        CSV: the decimal mark; by default a comma if numbers in the first rows have one.
    target : str, int or list of them, optional
        The column that is to be predicted, by name or by index (-1 is the last), or several
        columns. By default the one that is named target, label, class or y.
    target_path : str, optional
        A file of the targets, with a row for each row of the data: NPY, NPZ with one array, or a
        file of columns, of which ``target`` names those that count; by default all.
    target_kind : str
        "labels": one label a row. "indicators": 0, 1 or a probability in a column for each label.
        "distribution", "counts" or "logits": a probability, a number of votes or a logit in a
        column for each class. "label_lists": one column with a list of labels. By default, "auto",
        one column has labels, or lists if the file says so or there is a ``label_separator``; and
        several columns have indicators if they hold 0 and 1 only, else distributions.
    target_temperature : float
        With logits: what they are divided by before they become probabilities.
    count_weights : bool
        With counts: whether a row counts as often in the fit as it has votes.
    weight : str, optional
        A column, in NPZ an array, by which rows count in the fit and in ``[calibrate]``; in figures
        all count alike. It isn't a feature.
    label_separator : str, optional
        What is between two labels of a list in text, such as ";".
    missing_target : {"error", "drop", "keep"}
        What happens to rows without a target. With several labels a row "keep" keeps those of
        which some labels are known: the others count neither in the fit nor in the figures.
    test_path : str, optional
        A file of the same kind with the rows to test on.
    drop : tuple of str
        Columns that are left out.
    columns : tuple of str, optional
        Columns that are features; by default all others.
    categorical : tuple of str
        Columns that are categories even if they hold numbers.
    split_by : str, optional
        A column that decides which rows are tested on; it isn't a feature unless ``columns`` says
        so.
    split_kind : {"group", "time"}
        With ``split_by``: rows with the same value stay together, or those with the largest values
        are the test rows.
    """

    format: Format | None = None
    header: bool | None = None
    delimiter: Annotated[str, AfterValidator(_one_character)] | None = None
    decimal: Literal[".", ","] | None = None
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
    split_by: str | None = None
    split_kind: Literal["group", "time"] = "group"

    @model_validator(mode="after")
    def _options_of_the_kind(self) -> "FileOptions":
        for key, kind, default in (
            ("target_temperature", "logits", 1.0),
            ("count_weights", "counts", False),
        ):
            if getattr(self, key) != default and self.target_kind != kind:
                raise mistake(f"data.{key}", f'{key} goes with target_kind = "{kind}"')
        if self.count_weights and self.weight is not None:
            raise mistake(
                "data.count_weights",
                "count_weights and weight both say how much a row counts; leave out one of them",
            )
        if self.target_path is not None and self.test_path is not None:
            raise mistake(
                "data.target_path",
                "target_path: a test file needs its own targets; leave out test_path, or put the "
                "targets into the files",
            )
        return self

    @model_validator(mode="after")
    def _one_test_part(self) -> "FileOptions":
        if self.split_by is not None and self.test_path is not None:
            raise mistake(
                "data.split_by",
                "split_by and test_path both say which rows are tested on; leave out one of them",
            )
        return self
