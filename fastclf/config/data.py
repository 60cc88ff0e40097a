"""The table of a recipe about the data: which data, how they are read and preprocessed."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from fastclf.config.fields import Below1, Count, Fraction
from fastclf.data.options import FileOptions, FilePath
from fastclf.data.text_vocabulary import DEFAULTS as TEXT
from fastclf.data.text_vocabulary import TextOptions
from fastclf.text_features import MOST_NGRAMS, is_ngram_range
from fastclf.toml import mistake


def _ngram_range(values: tuple[int, ...]) -> tuple[int, ...]:
    if not is_ngram_range(values):
        raise mistake(
            "data.text_ngrams",
            f"data.text_ngrams = {list(values)}: must be two whole numbers from 1 to "
            f"{MOST_NGRAMS}, the lengths of the shortest and the longest n-grams",
        )
    return values


NgramRange = Annotated[tuple[int, ...], Strict(False), AfterValidator(_ngram_range)]


class DataTable(FileOptions):
    """``[data]``: which data, how they are read, and how they are preprocessed.

    The keys of `fastclf.data.FileOptions` say how the file ``path`` is read; they can't be used
    with ``card`` or ``name``.

    Attributes
    ----------
    card : str, optional
        Path of a data set card. Set either this, ``name`` or ``path``. Relative paths are relative
        to the recipe's folder.
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
        The fraction of the rows that become test rows; 0 for none.
    stratify : bool
        Whether each class, or each of several labels, is split in the same proportion.
    scale : {"auto", "standard", "minmax", "none"}
        How numeric columns are scaled: "standard" to mean 0 and standard deviation 1, "minmax" to
        the range 0 to 1; "auto" means "none" if all columns are on comparable scales already, else
        "standard". Sparse columns are divided, never shifted; for them "auto" means "none".
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        How missing values in a table are replaced; "none" makes them an error.
    min_frequency : int or float
        Categories with fewer rows than this, or a smaller share of the rows, are grouped into one
        feature.
    text_analyzer : {"word", "char_wb"}
        The n-grams that are counted in columns of ``text``: those of words, or of the characters
        within words, which also match misspelt and inflected words.
    text_ngrams : tuple of two ints
        The lengths of the shortest and the longest n-grams, in words or characters.
    text_min_frequency : int or float
        N-grams of text in fewer rows than this, or in a smaller share of the rows, are left out.
    text_max_features : int
        The largest number of n-grams of a text column; if there are more, the most frequent ones
        are kept.
    text_sublinear : bool
        Whether an n-gram that occurs c times in a text counts as 1 + log(c) rather than c.
    text_lowercase : bool
        Whether text is converted to lower case.
    dates : {"categories", "parts"}
        How dates and time stamps, such as 2024-02-29, 29.02.2024 or 2024-02-29T12:30:00, are
        encoded: "categories" makes each value a category; "parts" makes numbers of year, month,
        weekday (0 for Monday), hour if there are times, and days since 1970.
    dtype : {"float32", "float64"}
        The precision in which the model is fitted.
    stream : bool
        With ``path``: read the training rows from the file again in each pass, for data that don't
        fit into memory. Without ``test_path``, rows are split by a hash of their values, so that
        equal rows are in the same part; ``stratify`` has no effect.
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
    text_analyzer: Literal["word", "char_wb"] = "word"
    text_ngrams: NgramRange = TEXT.ngrams
    text_min_frequency: Count | Fraction = TEXT.min_frequency
    text_max_features: Count = TEXT.max_features
    text_sublinear: bool = TEXT.sublinear
    text_lowercase: bool = TEXT.lowercase
    dates: Literal["categories", "parts"] = "categories"
    dtype: Literal["float32", "float64"] = "float64"
    stream: bool = False

    @property
    def text_options(self) -> TextOptions:
        """How the columns in ``text`` become features."""
        low, high = self.text_ngrams
        return TextOptions(
            self.text_analyzer,
            (low, high),
            self.text_min_frequency,
            self.text_max_features,
            self.text_sublinear,
            self.text_lowercase,
        )

    @model_validator(mode="after")
    def _can_be_streamed(self) -> "DataTable":
        if not self.stream:
            return self
        if self.path is None:
            raise mistake(
                "data.stream",
                "data.stream reads the rows of a file in chunks; set data.path to the file",
            )
        if self.target_path is not None:
            raise mistake(
                "data.target_path",
                "data.target_path can't be used with data.stream, which reads each target with "
                "its row; put the targets into a column of data.path, or set data.stream to false",
            )
        if self.text:
            raise mistake(
                "data.text",
                "data.text can't be used with data.stream; set data.stream to false to load the "
                "rows into memory, or drop the column",
            )
        if self.split_by is not None:
            raise mistake(
                "data.split_by",
                "data.split_by can't be used with data.stream, which splits rows by a hash of "
                "their values; put the test rows into a file of their own and set "
                "data.test_path, or set data.stream to false",
            )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> "DataTable":
        sources = [self.card, self.name, self.path]
        if sum(source is not None for source in sources) != 1:
            raise mistake(
                "data",
                "[data] needs exactly one of card (the path of a data set card), name (a built-in "
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
                    reason = "the card describes how its data are read"
                    if not self.card:
                        reason = "a built-in data set isn't a file"
                    other = "data.card" if self.card else "data.name"
                    raise mistake(
                        f"data.{key}",
                        f"data.{key} needs data.path and can't be used with {other}: {reason}",
                    )
        return self
