"""Detection of input files that change while a run reads them."""

from dataclasses import dataclass
from pathlib import Path

from fastclf.config import DataTable, DistillTable
from fastclf.errors import DataError

Stamp = tuple[int, int]


@dataclass(frozen=True)
class InputFiles:
    """The input files of a run, each with its size and the time of its last change.

    Attributes
    ----------
    stamps : dict of Path to stamp
        Size in bytes and modification time in ns of each file and folder; None if it can't be read.
    """

    stamps: dict[Path, Stamp | None]

    @classmethod
    def of(cls, table: DataTable, distill: DistillTable | None = None) -> "InputFiles":
        """Return the files that a recipe names; to be called before they are read."""
        names = [table.path, table.target_path, table.test_path, table.card]
        if distill is not None:
            names.append(distill.teacher_file)
        found: list[Path] = []
        for path in (Path(name) for name in names if name is not None):
            found += [path, *(path.rglob("*") if path.is_dir() else ())]
        return cls({path: _stamp(path) for path in found})

    def check(self) -> None:
        """Check that the files haven't changed since.

        Raises
        ------
        DataError
            If one has.
        """
        for path, before in self.stamps.items():
            if _stamp(path) != before:
                raise DataError(
                    f"{path}: changed while it was read; start again when nothing writes to it"
                )


def _stamp(path: Path) -> Stamp | None:
    try:
        state = path.stat()
    except OSError:
        return None  # reading the file raises the error
    return state.st_size, state.st_mtime_ns
