"""Time rows of benchmark_against.py on one core and on two, and extrapolate to more cores.

Each process is pinned to its cores before it imports anything. Amdahl's law with the serial share
that one and two cores show gives what more cores would give at best.
"""

import os
import tempfile
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from _against_rows import MEASURED, rows_of
from _benchmark import PAUSE, TURN, parser, write
from _checkout import ROOT
from _comparison import compare
from benchmark_against import Version, failure, measure_within

NAMES = (
    "default breast_cancer_scaled",
    "default digits_scaled",
    "default tall_binary",
    "default tall_7",
    "default million",
    "default wide",
    "fit 100 classes x 200",
    "fit sparse, 2 classes",
    "fit sparse, 4 classes",
    "fit 10 labels",
    "fit digits scaled, L1",
    "fit CV breast_cancer",
    "CV digits",
    "epoch Adam",
    "epoch Adam, sparse",
)

MORE = (8, 32, 64)
"""Numbers of cores to extrapolate to."""


@dataclass
class Pinned(Version):
    """The checkout in processes that may use some CPUs only, with the usual kernel cache."""

    cpus: list[int] = field(default_factory=list)

    def environment(self, cache: Path | None = None) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.root)}

    def start(self) -> None:
        """Start a new worker process, which inherits the CPUs of this thread."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.cpus)
        try:
            super().start()
        finally:
            os.sched_setaffinity(0, before)


def serial_share(ratio: float) -> float:
    """Return the serial share of the work, given the time on two cores over that on one.

    By Amdahl's law (Amdahl, *Validity of the single processor approach to achieving large scale
    computing capabilities*, AFIPS 1967) the ratio is ``s + (1 - s) / 2``. The result is clipped to
    0 and 1.
    """
    return min(max(2 * ratio - 1, 0.0), 1.0)


def times_faster(share: float, cores: int) -> float:
    """Return how many times faster some cores are than one, by Amdahl's law."""
    return 1 / (share + (1 - share) / cores)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="add fits of benchmark.py's problems")
    options.add_argument("--only", nargs="+", metavar="PATTERN", help="rows whose names match")
    options.add_argument("--budget", type=float, default=20, help="seconds of a row")
    given = options.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        raise SystemExit("this process may use one core only; two are needed")
    data = given.data and given.data.resolve()
    patterns = given.only or NAMES
    names = [
        name for name in [*MEASURED, *rows_of(data)] if any(fnmatch(name, p) for p in patterns)
    ]
    if not names:
        raise SystemExit(f"no row matches {' or '.join(patterns)}")
    with tempfile.TemporaryDirectory(prefix="cores-") as temporary:
        versions = []
        for n in (1, 2):
            results = Path(temporary) / str(n)
            results.mkdir()
            versions.append(Pinned(f"{n} cores", ROOT, results, results, data, cpus=cpus[:n]))
        try:
            found = measure_within(names, versions, given.repeats, given.budget)
        finally:
            for version in versions:
                version.end()
    rows: list[dict[str, Any]] = []
    failed = []
    for name, times in found.items():
        if times.errors:
            failed.append(f"{name} ({failure(times)})")
            continue
        pairs = compare(*times.seconds)
        share = serial_share(pairs.ratio)
        row = {
            "what": name,
            "1 core ms": 1e3 * pairs.base_median,
            "2 cores ms": 1e3 * pairs.here_median,
            "times faster": 1 / pairs.ratio,
            "spread": f"{1 / pairs.high:.3g} to {1 / pairs.low:.3g}",
            "serial share": share,
        }
        rows.append(row | {f"{n} cores, at best": times_faster(share, n) for n in MORE})
    write(
        "cores",
        "One core and two, and what more cores would give at best",
        f"Medians of calls in a row, in turns of {TURN:g} s after a pause of {PAUSE:g} s, by "
        "processes that are pinned to one and to two cores from their start. Times faster is the "
        "median over pairs of turns; the spread is an interval for it by the sign test, at 95 % "
        "from six pairs on. The serial share s is 2 t₂ / t₁ - 1, from Amdahl's law, clipped to 0 "
        "and 1. **The last columns are extrapolated, not measured**: by that law, some cores are "
        "1 / (s + (1 - s) / cores) times faster than one. Memory bandwidth, which cores share, "
        "isn't in the law; nor are caches, the cost of more threads, and problems too small to "
        "occupy all cores. A small s must be known well: on 64 cores, 0 gives 64 and 0.01 gives 39."
        + (f" Failed: {'; '.join(failed)}." if failed else ""),
        rows,
        given.out,
    )


if __name__ == "__main__":
    main()
