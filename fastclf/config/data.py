"""The table of a recipe that says which data, how they are read, and how they are prepared."""

from typing import Annotated, Literal

from pydantic import Field, Strict, model_validator

from fastclf.config.fields import Below1, Count, Fraction
from fastclf.data.options import FileOptions, FilePath
from fastclf.toml import mistake


class DataTable(FileOptions):
    """``[data]``: which data, how they are read, and how they are prepared.

    The keys that say how a file is read are those of `fastclf.data.FileOptions`; they go with
    ``path``, and the others with every kind of data.

    Attributes
    ----------
    card : str, optional
        Path of a dataset card. Either this, ``name`` or ``path``. Relative paths start at the
        recipe's folder.
    name : str, optional
        A data set of scikit-learn's: one that comes with it, one that it fetches (covtype,
        20newsgroups_vectorized, rcv1, kddcup99), or one of OpenML's like openml:credit-g or
        openml:31.
    path : str, optional
        A data file, or a folder of Parquet files.
    data_home : str, optional
        With ``name``: the folder where fetched data are kept; by default scikit-learn's.
    download : bool
        With ``name``: whether data are fetched that aren't there.
    classes : tuple of str or int, optional
        The classes to keep; by default all.
    ignore_index : str or int, optional
        A label whose rows are left out, such as -100 or "unknown": they count neither in the fit
        nor in the figures, and it is no class.
    test_size : float
        The part of the rows that is held out; 0 for none.
    stratify : bool
        Whether each class, or each of several labels, is split in the same proportion.
    scale : {"auto", "standard", "minmax", "none"}
        How columns are scaled; see `fastclf.data.scaling`.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        What a missing value in a table is taken for; "none" makes it an error.
    min_frequency : int or float
        Categories in fewer rows than that, or in a smaller part of them, are one feature together.
    dates : {"categories", "parts"}
        What columns of dates and time stamps become, in text such as 2024-02-29 or
        2024-02-29T12:30:00: a category for each value; or numbers: year, month, weekday (0 for
        Monday), hour where there are times, and days since 1970.
    dtype : {"float32", "float64"}
        In what precision the model is fitted.
    stream : bool
        With ``path`` and ``test_path``: read the rows to train on anew in each pass, because they
        don't fit into memory.
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
                "data.stream: rows that aren't in memory can't be split; name a file to train on "
                "with data.path, and one to test on with data.test_path",
            )
        whole = ("classes", "ignore_index", "target_path", "label_separator", "missing_target")
        for key in whole:
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
            raise mistake(f"data.{key}", f"data.{key} goes with data.name, and there is none")
        if self.ignore_index is not None and self.classes is not None:
            raise mistake(
                "data.ignore_index",
                "data.ignore_index and data.classes both say which rows are left out; keep one",
            )
        if self.path is None:
            for key, info in FileOptions.model_fields.items():
                if getattr(self, key) != info.default:
                    said = "the card says" if self.card else "it is known"
                    raise mistake(
                        f"data.{key}", f"data.{key} goes with data.path; here {said} how to read"
                    )
        return self
