"""What each test row adds to a run's metrics: kept in the run directory, to compare runs by.

With it two runs are compared row by row without their data, and without predicting again.
"""

import zipfile
import zlib
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fastclf.runs.bootstrap import Ratio
from fastclf.table import Table

if TYPE_CHECKING:
    from fastclf.runs.parts import Part

MOST_KEPT = 1_000_000
"""Number of test rows above which nothing is kept: a row takes about 8 bytes for each loss."""


@dataclass(frozen=True, eq=False)
class RowResults:
    """The terms of the metrics of a run's test rows.

    Parameters
    ----------
    rows : str
        A digest of the rows and their targets, which is equal for the same rows of the same data.
    terms : dict of str to Ratio
        The terms of each metric, see `fastclf.runs.intervals.row_terms`.
    """

    rows: str
    terms: dict[str, Ratio]

    @classmethod
    def of(cls, part: "Part", terms: dict[str, Ratio]) -> "RowResults":
        """Return the results of some rows by their terms."""
        return cls(_digest_of(part), terms)

    def pack(self) -> bytes:
        """Return the bytes of an NPZ file, which `read` reads."""
        arrays: dict[str, Any] = {"rows": np.array(self.rows), "n_rows": np.array(self.n_rows)}
        for name, ratio in self.terms.items():
            for half, values in zip(Ratio._fields, ratio, strict=True):
                is_constant = len(values) and (values == values[0]).all()
                whole = (values == np.round(values)).all() and np.abs(values).max(initial=0) < 2**15
                kept = values[:1] if is_constant else values
                arrays[f"{name}.{half}"] = kept.astype(np.int16) if whole else kept
        file = BytesIO()
        np.savez_compressed(file, **arrays)
        return file.getvalue()

    @property
    def n_rows(self) -> int:
        """The number of rows."""
        return max((len(ratio.above) for ratio in self.terms.values()), default=0)

    @classmethod
    def read(cls, path: Path) -> "RowResults | None":
        """Read what `pack` returned; None if there is no such file, or it is damaged.

        Examples
        --------
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> from fastclf.runs.bootstrap import Ratio
        >>> from fastclf.runs.row_results import RowResults
        >>> kept = RowResults("a1", {"accuracy": Ratio(np.array([1.0, 0.0]), np.ones(2))})
        >>> with TemporaryDirectory() as folder:
        ...     path = Path(folder) / "rows.npz"
        ...     _ = path.write_bytes(kept.pack())
        ...     RowResults.read(path).terms["accuracy"]
        Ratio(above=array([1., 0.]), below=array([1., 1.]))
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
            n, digest = int(found.pop("n_rows")), str(found.pop("rows"))
            halves = {
                name: np.broadcast_to(values, n).astype(np.float64)
                for name, values in found.items()
            }
            names = dict.fromkeys(name.rpartition(".")[0] for name in halves)
            terms = {
                name: Ratio(*(halves[f"{name}.{half}"] for half in Ratio._fields)) for name in names
            }
        except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile, zlib.error):
            return None
        return cls(digest, terms)


def _digest_of(part: "Part") -> str:
    """Return a digest of some rows: their targets, and their numbers or else their features."""
    X, rows = part.X, part.rows
    if isinstance(X, Table):
        rows = X.rows
    arrays = [part.y]
    if rows is not None:
        arrays.append(np.asarray(rows, np.int64))
    else:
        arrays += [X] if isinstance(X, np.ndarray) else [X.data, X.indices, X.indptr]
    digest = sha256()
    for array in arrays:
        digest.update(f"{array.shape}".encode())
        if array.dtype.kind in "OU":
            digest.update("\0".join(map(str, array.ravel().tolist())).encode("utf-8", "replace"))
        else:
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
