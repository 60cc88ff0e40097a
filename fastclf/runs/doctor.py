"""The facts that a bug report should contain, such as where kernels come from."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from threadpoolctl import threadpool_info

from fastclf import __version__, threads
from fastclf.estimators.logistic import LogisticRegression
from fastclf.kernels.loss import softmax
from fastclf.kernels.runtime import bundles, levels, obtained
from fastclf.runs.tables import memory_text

_PACKAGES = "numba llvmlite numpy scipy scikit-learn threadpoolctl safetensors pyarrow".split()
_VARIABLES = ("FASTCLF_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "PYTHONDONTWRITEBYTECODE")


def examine() -> dict[str, Any]:
    """Fit a few rows, and return the facts as values that JSON can hold."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    before = obtained.so_far()
    LogisticRegression().fit(X, y)
    fit = obtained.so_far().since(before)
    _, processor, _ = bundles.target()
    return {
        "fastclf": __version__,
        "python": f"{platform.python_version()}, {platform.platform()}",
        "packages": {name: _version(name) for name in _PACKAGES},
        "processor": processor,
        "levels": [level.name for level in levels.served(bundles.target())],
        "bundle": _bundle(),
        "bundles": _bundles(),
        "cache": _cache(),
        "fit": {**fit._asdict(), "seconds": round(fit.seconds, 3)},
        "threads": {"cpus": os.cpu_count(), "available": threads.available_cpus()},
        "blas": [
            {key: pool[key] for key in ("internal_api", "version", "num_threads", "filepath")}
            for pool in threadpool_info()
        ],
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)
        },
    }


def print_findings(found: dict[str, Any], console: Console) -> None:
    """Print what :func:`examine` has found."""
    fit, cache, bundle = found["fit"], found["cache"], found["bundle"]
    sources = {"bundle": "from the bundle", "cache": "from the cache", "compiled": "compiled"}
    counts = [f"{fit[key]} {text}" for key, text in sources.items() if fit[key]] or ["none"]
    held = f"{cache['kernels']} kernels, {memory_text(1e6 * cache['megabytes'])}"
    cached = f"{cache['path']}, {held}"
    if cache["path"] is None:
        cached = "none: nothing is compiled yet, or no folder can be written (NUMBA_CACHE_DIR)"
    rows = {
        "fastclf": found["fastclf"],
        "python": found["python"],
        "packages": ", ".join(f"{name} {v}" for name, v in found["packages"].items() if v),
        "processor": found["processor"],
        "instruction sets": ", ".join(found["levels"]) or "none that portable kernels need",
        "kernels shipped": _said(bundle) if bundle else _none_serves(**found["bundles"]),
        "kernels cached": cached,
        "test fit": f"{fit['seconds']:.2f} s; kernels: {', '.join(counts)}",
        "threads": f"{found['threads']['available']} (of {found['threads']['cpus']} CPUs)",
        "libraries": "; ".join(
            " ".join(filter(None, (pool["internal_api"], pool["version"])))
            + f", {pool['num_threads']} threads"
            for pool in found["blas"]
        ),
        "environment": ", ".join(f"{k}={v}" for k, v in found["environment"].items()) or "none set",
    }
    grid = Table.grid(padding=(0, 2))
    for key, text in rows.items():
        grid.add_row(key, escape(str(text)))
    console.print(grid)


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _bundle() -> dict[str, Any] | None:
    bundle = bundles.serving()
    if bundle is None:
        return None
    held = _held(bundle.path)
    others = sum(not bundles.is_current(path) for path in bundle.path.glob("*.nbc"))
    kernels = {"kernels": held["kernels"] - others, "others": others}
    return {"level": bundle.level.name, "path": str(bundle.path), **held, **kernels}


def _said(bundle: dict[str, Any]) -> str:
    kernels = f"{bundle['kernels']} kernels"
    if bundle["others"]:
        kernels += f" (and {bundle['others']} of other versions of fastclf)"
    return f"{bundle['level']}, {kernels}, {bundle['path']}"


def _bundles() -> dict[str, Any]:
    folder = bundles.folder()
    if folder is None:
        return {"folder": None, "names": [], "error": None}
    try:
        names, error = sorted(path.name for path in folder.iterdir()), None
    except OSError as caught:
        names, error = [], caught.strerror
    return {"folder": str(folder), "names": names, "error": error}


def _none_serves(folder: str | None, names: list[str], error: str | None) -> str:
    if folder is None:
        return "none: FASTCLF_KERNELS is empty"
    if names:
        return f"none for this processor in {folder}, which has {', '.join(names[:8])}"
    return f"none ({folder}: {error or 'empty'})"


def _cache() -> dict[str, Any]:
    stats = getattr(softmax.softmax, "stats", None)  # none with NUMBA_DISABLE_JIT=1
    path = stats and stats.cache_path
    if path is None:
        return {"path": None, "kernels": 0, "megabytes": 0.0}
    # Numba keeps the kernels of each source folder apart.
    folder = Path(path).parent if os.environ.get("NUMBA_CACHE_DIR") else Path(path)
    return {"path": str(folder), **_held(folder)}


def _held(folder: Path) -> dict[str, Any]:
    files = [path.stat().st_size for path in folder.rglob("*.nbc")]
    return {"kernels": len(files), "megabytes": round(sum(files) / 1e6, 1)}
