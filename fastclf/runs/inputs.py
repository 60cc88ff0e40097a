"""The files that a run reads, to which nobody is to write meanwhile."""

from dataclasses import dataclass
from pathlib import Path

from fastclf.config import DataTable, DistillTable
from fastclf.errors import DataError

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Files:
    """Files and folders, and how they were: size and time of the last change.

    Attributes
    ----------
    stamps : dict of Path to stamp
        None for what isn't there.
    """

    stamps: dict[Path, Stamp | None]

    @classmethod
    def of(cls, table: DataTable, distill: DistillTable | None = None) -> "Files":
        """Return those that a recipe names; to be called before they are read."""
        names = [table.path, table.target_path, table.test_path, table.card]
        if distill is not None:
            names.append(distill.teacher_file)
        found: list[Path] = []
        for path in (Path(name) for name in names if name is not None):
            found += [path, *(path.rglob("*") if path.is_dir() else ())]
        return cls({path: _stamp(path) for path in found})

    def check(self) -> None:
        """Check that nobody has written to them since.

        Raises
        ------
        DataError
            If somebody has.
        """
        for path, before in self.stamps.items():
            if _stamp(path) != before:
                raise DataError(
                    f"{path}: has changed while it was read; start again when nobody writes to it"
                )


def _stamp(path: Path) -> Stamp | None:
    try:
        state = path.stat()
    except OSError:
        return None  # whoever reads it says what is wrong
    return state.st_size, state.st_mtime_ns
