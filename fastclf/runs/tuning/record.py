"""``tune.jsonl``: the scores of a search, a line for each fold of a trial, as they become known."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fastclf.errors import RunError
from fastclf.runs.directory import TUNE
from fastclf.runs.files import open_in_place, writing


@dataclass(frozen=True)
class FoldScores:
    """The scores of the models of a trial on one fold.

    Attributes
    ----------
    trial, fold : int
        Their numbers, from 0 on.
    keys : dict
        The values of the keys besides model.C and model.l1_ratio, by dotted key.
    l1_ratio, C : list of float
        The values of model.l1_ratio and of model.C.
    scores : list of list of float or None
        A list for each l1_ratio, of a number for each C; None where time ran out before the fit.
    seconds : float
        How long the fits and scores took.
    """

    trial: int
    fold: int
    keys: dict[str, Any]
    l1_ratio: list[float]
    C: list[float]
    scores: list[list[float | None]]
    seconds: float

    @property
    def is_complete(self) -> bool:
        """Whether there is a score of each model."""
        return all(score is not None for row in self.scores for score in row)


class Record:
    """The file ``tune.jsonl`` of a run directory, which is continued if it exists.

    Parameters
    ----------
    directory : Path
        The run directory.

    Attributes
    ----------
    known : dict
        The scores that were complete, by trial and fold.
    seconds : float
        How long all fits took that are in the file.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / TUNE
        self.known: dict[tuple[int, int], FoldScores] = {}
        self.seconds = 0.0
        lines = self._whole_lines()
        for number, line in enumerate(lines, 1):
            try:
                scores = FoldScores(**json.loads(line))
                self.seconds += scores.seconds
            except (ValueError, TypeError, RecursionError):
                raise RunError(
                    f"{self._path}: line {number} isn't a line of a search; tune again with "
                    "another --out"
                ) from None
            if scores.is_complete:
                self.known[scores.trial, scores.fold] = scores

    def add(self, scores: FoldScores) -> None:
        """Append the scores of a fold; they are on the disk when this returns."""
        with writing(self._path), os.fdopen(open_in_place(self._path), "r+b") as file:
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(asdict(scores)).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.seconds += scores.seconds
        if scores.is_complete:
            self.known[scores.trial, scores.fold] = scores

    def _whole_lines(self) -> list[bytes]:
        # Without the rest of a line that was being written when the process was killed.
        with writing(self._path), os.fdopen(open_in_place(self._path), "r+b") as file:
            content = file.read()
            end = content.rfind(b"\n") + 1
            file.truncate(end)
        return content[:end].splitlines()
