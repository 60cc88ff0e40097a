"""A folder of checkpoints of a fit, written atomically and verified when read.

A checkpoint is two files: the arrays as safetensors, then a JSON file. The JSON file has the
structure that the arrays belong to and the SHA-256 of both files, so that a truncated or changed
file is detected. The most recent checkpoints are kept, and the one with the lowest score.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from fastclf.files import TEMPORARY_FILES
from fastclf.runs.files import write_file, writing

_FORMAT = 1
_NAME = re.compile(r"(\d{8})\.(safetensors|json)")


@dataclass(frozen=True)
class Checkpoint:
    """The state of a fit in storable form.

    Attributes
    ----------
    arrays : dict of str to ndarray
        All arrays of the state, by name.
    tree : object
        The structure of the state as JSON values, which refers to arrays by name.
    score : float
        The loss of the state; lower is better.
    notes : dict
        Further JSON values.
    """

    arrays: dict[str, np.ndarray]
    tree: Any
    score: float
    notes: dict[str, Any]


class Checkpoints:
    """A folder of numbered checkpoints.

    Parameters
    ----------
    folder : Path
    keep : int
        How many of the most recent are kept, besides the one with the lowest score.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     checkpoints = Checkpoints(Path(folder), keep=2)
    ...     for score in (1.0, 3.0, 4.0, 5.0):
    ...         checkpoints.write(Checkpoint({"a": np.ones(2)}, None, score, {}))
    ...     checkpoints.numbers()
    [1, 3, 4]
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder
        self.keep = keep
        self._scores: dict[int, float] = {}
        self._damaged: set[int] = set()

    def numbers(self) -> list[int]:
        """Return the numbers of the checkpoints in the folder, damaged ones included."""
        return sorted(number for number, suffix in self._files() if suffix == "json")

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint with the next number, and remove those that needn't be kept.

        Raises
        ------
        RunError
            If it can't be written; the earlier checkpoints are then unchanged.
        """
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)
        number = max((number for number, _ in self._files()), default=0) + 1
        data = save_tensors(checkpoint.arrays)
        content = {
            "format": _FORMAT,
            "score": checkpoint.score,
            "notes": checkpoint.notes,
            "arrays_sha256": hashlib.sha256(data).hexdigest(),
            "tree": checkpoint.tree,
        }
        text = {"sha256": _digest(content), "content": content}
        write_file(self._path(number, "safetensors"), data)
        write_file(self._path(number, "json"), json.dumps(text) + "\n")
        self._scores[number] = checkpoint.score
        self._prune()

    def latest(self, on_damaged: Callable[[str], None]) -> Iterator[Checkpoint]:
        """Yield the intact checkpoints, the most recent first.

        Parameters
        ----------
        on_damaged : callable
            Called with a message for each checkpoint that is damaged.
        """
        for number in reversed(self.numbers()):
            try:
                checkpoint = self._read(number)
            except OSError as problem:
                on_damaged(f"{self._path(number, 'json')}: can't be read: {problem.strerror}")
            except ValueError as problem:
                self._damaged.add(number)
                on_damaged(f"{self._path(number, 'json')}: {problem}")
            else:
                yield checkpoint

    def _read(self, number: int) -> Checkpoint:
        try:
            content = self._content(number)
            data = self._path(number, "safetensors").read_bytes()
            if hashlib.sha256(data).hexdigest() != content["arrays_sha256"]:
                raise ValueError("the checksum of its arrays is wrong")
            arrays = load_tensors(data)
            return Checkpoint(arrays, content["tree"], content["score"], content["notes"])
        except FileNotFoundError:
            raise ValueError("the file of its arrays is missing") from None
        except (SafetensorError, KeyError, TypeError, AttributeError, RecursionError) as problem:
            raise ValueError(f"it isn't a checkpoint ({problem})") from None

    def _content(self, number: int) -> dict[str, Any]:
        text = json.loads(self._path(number, "json").read_bytes())
        content = text["content"]
        if _digest(content) != text["sha256"]:
            raise ValueError("the checksum is wrong")
        if content["format"] != _FORMAT:
            raise ValueError(f"format {content['format']!r}, and this version reads {_FORMAT}")
        return content

    def _score(self, number: int) -> float:
        if number not in self._scores:
            try:
                self._scores[number] = float(self._content(number)["score"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self._scores[number] = np.inf
        return self._scores[number]

    def _prune(self) -> None:
        numbers = self.numbers()
        whole = [number for number in numbers if number not in self._damaged]
        kept = {*whole[-self.keep :], min(whole, key=lambda number: (self._score(number), -number))}
        with writing(self.folder):
            # Sorted, each JSON file comes before its arrays, so none is ever left without them.
            for number, suffix in sorted(self._files()):
                if number not in kept:
                    self._path(number, suffix).unlink(missing_ok=True)
                    self._scores.pop(number, None)
            for left_over in self.folder.glob(TEMPORARY_FILES):  # of a killed process
                left_over.unlink(missing_ok=True)

    def _files(self) -> list[tuple[int, str]]:
        found = map(_NAME.fullmatch, self._names())
        return [(int(match[1]), match[2]) for match in found if match]

    def _names(self) -> list[str]:
        return [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []

    def _path(self, number: int, suffix: str) -> Path:
        return self.folder / f"{number:08d}.{suffix}"


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
