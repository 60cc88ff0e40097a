"""Where kernels come from, and what else a report of a problem should say."""

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

_PACKAGES = "numba llvmlite numpy scipy scikit-learn threadpoolctl safetensors pyarrow".split()
_VARIABLES = ("FASTCLF_", "NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "PYTHONDONTWRITEBYTECODE")


def examine() -> dict[str, Any]:
    """Fit a few rows, and return what there is to tell, as JSON can hold it."""
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
    held = f"{cache['kernels']} kernels, {cache['megabytes']:.1f} MB"
    rows = {
        "fastclf": found["fastclf"],
        "python": found["python"],
        "packages": ", ".join(f"{name} {v}" for name, v in found["packages"].items() if v),
        "processor": f"{found['processor']}; levels: {', '.join(found['levels']) or 'none'}",
        "bundle": _said(bundle) if bundle else _none_serves(**found["bundles"]),
        "cache": "none: nothing is compiled, or no folder can be written (NUMBA_CACHE_DIR)"
        if cache["path"] is None
        else f"{cache['path']}, {held}",
        "a first fit": f"kernels: {', '.join(counts)}; {fit['seconds']:.2f} s",
        "threads": f"{found['threads']['available']} of {found['threads']['cpus']} CPUs",
        "BLAS": "; ".join(
            f"{pool['internal_api']} {pool['version'] or ''}, {pool['num_threads']} threads"
            for pool in found["blas"]
        ),
        "environment": ", ".join(f"{k}={v}" for k, v in found["environment"].items()) or "-",
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
        return f"none that serves here in {folder}, which has {', '.join(names[:8])}"
    return f"none in {folder} ({error or 'it is empty'})"


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
