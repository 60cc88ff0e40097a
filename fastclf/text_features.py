"""`TextColumn`: the encoding of a column of raw text as TF-IDF features, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy

from fastclf.table import Categories, Numbers, as_categories, first_duplicate

ANALYZERS = ("word", "char_wb")
MOST_NGRAMS = 20  # longest n-gram, in words or characters


@dataclass(frozen=True)
class TextColumn:
    """The encoding of a column of text: the weighted counts of the n-grams of a vocabulary.

    A count c becomes ``1 + log(c)``, or stays c without ``sublinear``. It is multiplied by the
    n-gram's weight, and the features of a row are divided by their Euclidean norm. A missing value
    is an empty text, whose features are all 0; so are those of text without a known n-gram.

    The n-grams are those of `sklearn.feature_extraction.text.CountVectorizer`.

    Parameters
    ----------
    name : str
    vocabulary : tuple of str
        The n-grams, in the order of the features.
    idf : tuple of float
        The weight of each n-gram, its inverse document frequency.
    analyzer : {"word", "char_wb"}
        Whether n-grams are of words, or of the characters within words.
    ngrams : tuple of two ints
        The lengths of the shortest and the longest n-grams.
    sublinear : bool
    lowercase : bool
        Whether text is converted to lower case first.

    Raises
    ------
    ValueError
        If the values can't belong together.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.table import Categories
    >>> from fastclf.text_features import TextColumn
    >>> column = TextColumn("message", ("card", "lost"), (1.0, 1.0))
    >>> column.feature_names
    ('message: card', 'message: lost')
    >>> texts = Categories(np.array([0, 1, -1], np.int32), ("A card, a card", "Lost my card"))
    >>> column.features(texts).toarray().round(3).tolist()
    [[1.0, 0.0], [0.707, 0.707], [0.0, 0.0]]
    """

    name: str
    vocabulary: tuple[str, ...]
    idf: tuple[float, ...]
    analyzer: str = "word"
    ngrams: tuple[int, int] = (1, 2)
    sublinear: bool = True
    lowercase: bool = True

    def __post_init__(self) -> None:
        """Check that the values belong together."""
        if self.analyzer not in ANALYZERS:
            raise ValueError(f"text of the analyzer {self.analyzer!r}")
        if not is_ngram_range(self.ngrams):
            raise ValueError(f"text of n-grams {self.ngrams!r}")
        if not isinstance(self.sublinear, bool) or not isinstance(self.lowercase, bool):
            raise ValueError("an option of text that is neither true nor false")
        if not self.vocabulary or not all(isinstance(term, str) for term in self.vocabulary):
            raise ValueError("a vocabulary that isn't a list of text")
        if first_duplicate(self.vocabulary) is not None:
            raise ValueError(f"{first_duplicate(self.vocabulary)!r} twice in a vocabulary")
        if len(self.idf) != len(self.vocabulary):
            raise ValueError(f"{len(self.idf)} weights for {len(self.vocabulary)} n-grams")
        weights = np.array(self.idf, np.float64)
        if not ((weights > 0) & (weights < 1e100)).all():
            raise ValueError("a weight of an n-gram that isn't a positive number")

    @property
    def width(self) -> int:
        """The number of its features."""
        return len(self.vocabulary)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of its features, such as ``message: lost card``."""
        return tuple(f"{self.name}: {term}" for term in self.vocabulary)

    def features(self, raw: Numbers | Categories) -> "scipy.sparse.csr_array":
        """Return the features (n, width) of a column; each distinct text is analysed once."""
        texts = as_categories(raw)
        codes, rows = np.unique(texts.codes, return_inverse=True)
        distinct = ["" if code < 0 else texts.names[code] for code in codes.tolist()]
        if not distinct:
            return scipy.sparse.csr_array((0, self.width))
        return scipy.sparse.csr_array(self._vectorizer.transform(distinct))[rows]

    def vectorizer(self) -> Any:
        """Return scikit-learn's vectorizer with this vocabulary; its weights aren't set."""
        return vectorizer_of(
            analyzer=self.analyzer,
            ngrams=self.ngrams,
            sublinear=self.sublinear,
            lowercase=self.lowercase,
            vocabulary={term: i for i, term in enumerate(self.vocabulary)},
        )

    @cached_property
    def _vectorizer(self) -> Any:
        vectorizer = self.vectorizer()
        vectorizer.idf_ = np.array(self.idf, np.float64)
        return vectorizer

    def to_data(self) -> dict[str, Any]:
        """Return the column as values that JSON can hold, without its weights."""
        return {
            "name": self.name,
            "vocabulary": list(self.vocabulary),
            "analyzer": self.analyzer,
            "ngrams": list(self.ngrams),
            "sublinear": self.sublinear,
            "lowercase": self.lowercase,
        }

    @classmethod
    def from_data(cls, values: Mapping[str, Any], idf: tuple[float, ...]) -> "TextColumn":
        """Return the column from the result of :meth:`to_data` and its weights, checked.

        Raises
        ------
        ValueError, KeyError, TypeError
            If they don't describe a column of text.
        """
        if not isinstance(values["vocabulary"], list) or not isinstance(values["ngrams"], list):
            raise ValueError("a vocabulary or a range of n-grams that isn't a list")
        return cls(
            values["name"],
            tuple(values["vocabulary"]),
            idf,
            values["analyzer"],
            tuple(values["ngrams"]),
            values["sublinear"],
            values["lowercase"],
        )


def is_ngram_range(values: tuple[Any, ...]) -> bool:
    """Tell whether values are the lengths of the shortest and the longest n-grams."""
    if len(values) != 2 or not all(type(value) is int for value in values):
        return False
    return 1 <= values[0] <= values[1] <= MOST_NGRAMS


def vectorizer_of(
    *, analyzer: str, ngrams: tuple[int, int], sublinear: bool, lowercase: bool, **more: Any
) -> Any:
    """Return scikit-learn's vectorizer with some options of a `TextColumn`, not fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # takes a while to import

    return TfidfVectorizer(
        analyzer=analyzer,
        ngram_range=ngrams,
        sublinear_tf=sublinear,
        lowercase=lowercase,
        **more,
    )
