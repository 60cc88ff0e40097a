"""The table of a recipe about the data: which data, how they are read and preprocessed."""

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from fastclf.config.fields import Below1, Count, Fraction
from fastclf.data.options import FileOptions, FilePath
from fastclf.toml import mistake


class DataTable(FileOptions):
    """``[data]``: which data, how they are read, and how they are preprocessed.

    The keys of `fastclf.data.FileOptions` say how the file ``path`` is read; they can't be used
    with ``card`` or ``name``.

    Attributes
    ----------
    card : str, optional
        Path of a dataset card. Either this, ``name`` or ``path``. Relative paths are relative to
        the recipe's folder.
    name : str, optional
        A data set that scikit-learn includes or fetches (covtype, 20newsgroups_vectorized, rcv1,
        kddcup99), or one of OpenML, such as openml:credit-g or openml:31.
    path : str, optional
        A data file, or a folder of Parquet files; with ``stream`` also one of CSV or TSV files.
    data_home : str, optional
        With ``name``: the folder of fetched data; by default that of scikit-learn.
    download : bool
        With ``name``: whether missing data are downloaded.
    classes : tuple of str or int, optional
        The classes to keep; by default all.
    ignore_index : str or int, optional
        A label, such as -100 or "unknown", that isn't a class. Its rows are left out of the fit and
        of the metrics.
    test_size : float
        The share of the rows that becomes test rows; 0 for none.
    stratify : bool
        Whether each class, or each of several labels, is split in the same proportion.
    scale : {"auto", "standard", "minmax", "none"}
        How columns are scaled; see `fastclf.data.scaling`.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        How missing values in a table are replaced; "none" makes them an error.
    min_frequency : int or float
        Categories with fewer rows than this, or a smaller share of the rows, are grouped into one
        feature.
    dates : {"categories", "parts"}
        How dates and time stamps, such as 2024-02-29 or 2024-02-29T12:30:00, are encoded:
        "categories" makes each value a category; "parts" makes numbers of year, month, weekday (0
        for Monday), hour if there are times, and days since 1970.
    dtype : {"float32", "float64"}
        The precision in which the model is fitted.
    stream : bool
        With ``path`` and ``test_path``: read the training rows from the file again in each pass,
        for data that don't fit into memory.
    """

    card: FilePath | None = None
    name: str | None = None
    path: FilePath | None = None
    data_home: FilePath | None = None
    download: bool = True
    classes: Annotated[tuple[str | int, ...], Strict(False), Field(min_length=2)] | None = None
    ignore_index: str | int | None = None
    test_size: Below1 = 0.25
    stratify: bool = True
    scale: Literal["auto", "standard", "minmax", "none"] = "auto"
    impute: Literal["mean", "median", "most_frequent", "zero", "none"] = "mean"
    min_frequency: Count | Fraction = 1
    dates: Literal["categories", "parts"] = "categories"
    dtype: Literal["float32", "float64"] = "float64"
    stream: bool = False

    @model_validator(mode="after")
    def _can_be_streamed(self) -> "DataTable":
        if not self.stream:
            return self
        if self.path is None or self.test_path is None:
            raise mistake(
                "data.stream",
                "data.stream: streamed rows can't be split; set data.path to a file of training "
                "rows, and data.test_path to a file of test rows",
            )
        in_memory_only = (
            "classes",
            "ignore_index",
            "target_path",
            "label_separator",
            "missing_target",
        )
        for key in in_memory_only:
            if getattr(self, key) != DataTable.model_fields[key].default:
                raise mistake(
                    f"data.{key}",
                    f"data.{key} needs all rows in memory; leave it out, or set data.stream to "
                    "false",
                )
        if self.impute not in ("mean", "zero", "none"):
            raise mistake(
                "data.impute",
                f'data.impute = "{self.impute}" needs all rows in memory; with data.stream it is '
                '"mean", "zero" or "none"',
            )
        if self.target_kind not in ("auto", "labels", "indicators"):
            raise mistake(
                "data.target_kind",
                f'data.target_kind = "{self.target_kind}" needs all rows in memory; with '
                'data.stream it is "labels" or "indicators"',
            )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> "DataTable":
        sources = [self.card, self.name, self.path]
        if sum(source is not None for source in sources) != 1:
            raise mistake(
                "data",
                "[data] needs exactly one of card (the path of a dataset card), name (a built-in "
                "data set such as iris) and path (a data file)",
            )
        if self.name is None and (self.data_home is not None or not self.download):
            key = "data_home" if self.data_home is not None else "download"
            raise mistake(f"data.{key}", f"data.{key} needs data.name, which isn't set")
        if self.ignore_index is not None and self.classes is not None:
            raise mistake(
                "data.ignore_index",
                "data.ignore_index and data.classes both choose the rows to leave out; keep one",
            )
        if self.path is None:
            for key, info in FileOptions.model_fields.items():
                if getattr(self, key) != info.default:
                    reason = "a card says how to read its data" if self.card else "it is no file"
                    other = "data.card" if self.card else "data.name"
                    raise mistake(
                        f"data.{key}",
                        f"data.{key} needs data.path and can't be used with {other}: {reason}",
                    )
        return self
