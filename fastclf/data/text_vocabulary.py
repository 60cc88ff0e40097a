"""Fitting of the vocabulary and the weights of a column of raw text on training rows."""

from dataclasses import dataclass

from fastclf.errors import DataError
from fastclf.table import Categories, Lists, Numbers, as_categories
from fastclf.text_features import TextColumn, vectorizer_of


@dataclass(frozen=True)
class TextOptions:
    """How text becomes features; the fields are keys of ``[data]``, there named ``text_...``.

    Parameters
    ----------
    analyzer : {"word", "char_wb"}
        Whether n-grams are of words, or of the characters within words.
    ngrams : tuple of two ints
        The lengths of the shortest and the longest n-grams.
    min_frequency : int or float
        N-grams in fewer rows, or in a smaller share of the rows, are left out.
    max_features : int
        Of more n-grams the most frequent ones are kept.
    sublinear : bool
        Whether a count c becomes ``1 + log(c)``.
    lowercase : bool
        Whether text is converted to lower case first.
    """

    analyzer: str = "word"
    ngrams: tuple[int, int] = (1, 2)
    min_frequency: int | float = 2
    max_features: int = 200_000
    sublinear: bool = True
    lowercase: bool = True


DEFAULTS = TextOptions()


def fit_text(
    name: str, column: Numbers | Categories | Lists, options: TextOptions = DEFAULTS
) -> TextColumn:
    """Return the encoding of a column of text, fitted to training rows.

    The weight of an n-gram in f of n rows is ``log((1 + n) / (1 + f)) + 1``, as of
    `sklearn.feature_extraction.text.TfidfVectorizer`, which does the work.

    Parameters
    ----------
    name : str
        The column's name.
    column : Numbers or Categories
        The column at the training rows. Each category is a text, and a missing value is empty.
    options : TextOptions

    Raises
    ------
    DataError
        If the column has no n-gram that is frequent enough.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.data.text_vocabulary import fit_text
    >>> from fastclf.table import Categories
    >>> texts = Categories(np.array([0, 1, 1], np.int32), ("my card", "lost card"))
    >>> column = fit_text("message", texts)
    >>> column.vocabulary, [round(weight, 3) for weight in column.idf]
    (('card', 'lost', 'lost card'), [1.0, 1.288, 1.288])
    """
    if isinstance(column, Lists):
        raise DataError(f'column "{name}" holds lists, which can\'t be text; drop it')
    categories = as_categories(column)
    names = [*categories.names, ""]  # code -1, a missing value, is the last
    vectorizer = vectorizer_of(
        analyzer=options.analyzer,
        ngrams=options.ngrams,
        sublinear=options.sublinear,
        lowercase=options.lowercase,
        min_df=options.min_frequency,
        max_features=options.max_features,
    )
    try:
        vectorizer.fit([names[code] for code in categories.codes.tolist()])
    except ValueError:  # no n-grams at all, or none that is frequent enough
        what = "word" if options.analyzer == "word" else "group of characters"
        share = options.min_frequency
        least = f"{share:,} rows or more" if isinstance(share, int) else f"{share:.3g} of the rows"
        raise DataError(
            f'column "{name}": no {what} occurs in {least}; lower data.text_min_frequency, or '
            "remove the column from data.text"
        ) from None
    return TextColumn(
        name,
        tuple(vectorizer.get_feature_names_out().tolist()),
        tuple(vectorizer.idf_.tolist()),
        options.analyzer,
        options.ngrams,
        options.sublinear,
        options.lowercase,
    )
