"""Compare kernels of ``fastclf warmup --portable`` with those compiled for this very processor.

Processes with either kind run in alternating turns. Kernels for x86-64-v3 run in processes that
take this machine for one without AVX-512; BLAS libraries don't know of that.
"""

import tempfile
from dataclasses import dataclass, field
from math import exp, log
from pathlib import Path
from statistics import fmean
from typing import Any

from _benchmark import parser, write
from _checkout import ROOT
from _comparison import compare
from benchmark_against import Version, choose, failure, measure_within

from fastclf.kernels.runtime.levels import by_name
from fastclf.runs.warmup import available_levels

TYPICAL, WORST = 1.05, 1.15
"""Goals for the geometric mean of the ratios, and for the largest."""


@dataclass
class Kernels(Version):
    """The package in an environment that decides which kernels it loads."""

    variables: dict[str, str] = field(default_factory=dict)

    def environment(self, cache: Path | None = None) -> dict[str, str]:
        return super().environment(cache) | self.variables


def verdict(ratios: dict[str, list[float]]) -> str:
    """Return a sentence for each level: the geometric mean of the ratios, and the largest."""
    return " ".join(
        f"{level}: geometric mean {exp(fmean(map(log, found))):.3f} (goal {TYPICAL}), "
        f"largest {max(found):.3f} (goal {WORST}), of {len(found)}."
        for level, found in ratios.items()
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--kernels", type=Path, required=True, help="folder of portable kernels")
    options.add_argument("--data", type=Path, help="add fits of benchmark.py's problems")
    options.add_argument("--only", nargs="+", metavar="PATTERN", help="rows whose names match")
    options.add_argument("--budget", type=float, default=5, help="seconds of a row and process")
    options = options.parse_args()
    patterns = options.only or ["fit *", "epoch *", "kernel *", "default *"]
    names = choose(patterns, False, options.data)
    data = options.data and options.data.resolve()
    table: dict[str, dict[str, Any]] = {name: {"what": name, "native ms": None} for name in names}
    ratios: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="levels-") as temporary:
        folder = Path(temporary)

        def kernels(name: str, **variables: str) -> Kernels:
            made = Kernels(name, ROOT, folder / name, folder / f"{name}-out", data)
            made.variables = variables
            made.cache.mkdir(exist_ok=True)
            made.results.mkdir(exist_ok=True)
            return made

        for level in available_levels():
            simulated = {} if level == available_levels()[0] else by_name(level).environment
            place = str(options.kernels.resolve())
            native = kernels("native", FASTCLF_KERNELS="")
            pair = [native, kernels(level, FASTCLF_KERNELS=place, **simulated)]
            found = measure_within(names, pair, options.repeats, options.budget)
            ratios[level] = []
            for name, times in found.items():
                if times.errors:
                    table[name] |= {f"{level} / native": failure(times), f"{level} spread": None}
                    continue
                one = compare(*times.seconds)
                ratios[level].append(one.ratio)
                table[name]["native ms"] = table[name]["native ms"] or 1e3 * one.base_least
                table[name] |= {
                    f"{level} / native": f"{one.ratio:.3f}",
                    f"{level} spread": f"{one.low:.3f} to {one.high:.3f}",
                }
    write(
        "levels",
        "Portable kernels against native ones",
        "Medians of paired ratios of times, above 1 where portable kernels are slower, with an "
        "interval by the sign test (95 % from six pairs on), and the least milliseconds of native "
        f"kernels. {verdict(ratios)}",
        list(table.values()),
        options.out,
    )


if __name__ == "__main__":
    main()
