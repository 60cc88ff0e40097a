"""Error messages for lines that aren't valid svmlight."""

from pathlib import Path

from fastclf.data.compressed import open_decompressed
from fastclf.table import quoted


def bad_line(path: Path, multilabel: bool) -> str:
    """Return an error message for the first invalid line, or "" if there is none."""
    with open_decompressed(path) as file:
        for number, line in enumerate(file, 1):
            if reason := _no_svmlight(line.split(b"#")[0].split(), multilabel):
                return f"line {number}: {reason}"
    return ""


def _no_svmlight(words: list[bytes], multilabel: bool) -> str:
    """Return why a line isn't a label followed by index:value pairs, or "" if it is."""
    before = -1
    for i, word in enumerate(words):
        text = quoted(word.decode("utf-8", "replace"))
        index, colon, value = word.partition(b":")
        if i == 0 and not (multilabel and colon):
            labels = word.split(b",") if multilabel else [word]
            if not all(map(_is_number, labels)):
                return f"{text} isn't a label, which is a number"
        elif not colon:
            return f"{text} isn't an index with a value, such as 3:0.5"
        elif not _is_number(value):
            return f"{text}: the value isn't a number"
        elif index != b"qid":
            if not index.isdigit() or int(index) >= 2**31:
                return f"{text}: the index isn't a whole number from 0 to {2**31 - 1}"
            if int(index) <= before:
                return f"{text}: indices must increase within a line, but {before} comes before it"
            before = int(index)
    return ""


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
