"""Time the public losses against torch's forward and backward passes, SciPy, and an array copy."""

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.special
from _benchmark import alternate, arguments, write

from fastclf import functional as F
from fastclf.threads import available_cpus

SHAPES = [(1_000_000, 2), (1_000_000, 10), (100_000, 100), (10_000, 1000), (1_000, 32_000)]

try:
    import torch
except ImportError:
    torch = None


def _torch_loss(z: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    logits = torch.from_numpy(z.copy()).requires_grad_()
    target = torch.from_numpy(y)

    def run() -> None:
        logits.grad = None
        torch.nn.functional.cross_entropy(logits, target).backward()

    return run


def _scipy_loss(z: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    n = len(z)

    def run() -> tuple[float, np.ndarray]:
        log_p = scipy.special.log_softmax(z, axis=1)
        gradient = np.exp(log_p)
        if y.ndim == 1:
            value = -log_p[np.arange(n), y].mean()
            gradient[np.arange(n), y] -= 1
        else:
            value = -(y * log_p).sum() / n
            gradient -= y
        gradient /= n
        return value, gradient

    return run


def main() -> None:
    options = arguments(__doc__)
    if torch is not None:
        torch.set_num_threads(available_cpus())
    rng = np.random.default_rng(0)
    rows = []
    for n, K in SHAPES:
        z = (3 * rng.standard_normal((n, K))).astype(np.float32)
        codes = rng.integers(0, K, n)
        p = rng.random((n, K), dtype=np.float32)
        p /= p.sum(axis=1, keepdims=True)
        out, other = np.empty_like(z), np.empty_like(z)
        for kind, y in (("hard", codes), ("soft", p)):
            contenders: dict[str, Callable[[], object]] = {
                "fastclf out=": partial(F.cross_entropy_with_grad, z, y, out=out),
                "fastclf": partial(F.cross_entropy_with_grad, z, y),
                "copy": partial(np.copyto, other, z),
                "SciPy": _scipy_loss(z, y),
            }
            if torch is not None:
                contenders["torch"] = _torch_loss(z, y)
            times = alternate(contenders, options.repeats)
            against = times.get("torch", float("nan"))
            rows.append(
                {
                    "rows x classes": f"{n} x {K}",
                    "targets": kind,
                    **{f"{name} ms": 1e3 * seconds for name, seconds in times.items()},
                    "torch / out=": against / times["fastclf out="],
                    "torch / fresh": against / times["fastclf"],
                    "out= / copy": times["fastclf out="] / times["copy"],
                }
            )
    write(
        "kernels",
        "Softmax cross-entropy, value and gradient in the logits, float32",
        "Medians of alternating runs. torch: `cross_entropy(z, y).backward()`, same number of "
        "threads. SciPy: `log_softmax` and NumPy. copy: `np.copyto` between two existing arrays.",
        rows,
        options.out,
    )


if __name__ == "__main__":
    main()
