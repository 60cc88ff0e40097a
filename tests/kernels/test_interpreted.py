"""Kernels without the compiler: with NUMBA_DISABLE_JIT=1 they can be debugged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

SCRIPT = """
import numpy as np
import scipy.sparse
from fastclf import LogisticRegression, LogisticRegressionCV, MultiLabelLogisticRegression
from fastclf import functional as F

SETTLED = {"l1_ratios": (0.0,), "scoring": None, "use_legacy_attributes": False}
rng = np.random.default_rng(0)
X = rng.normal(size=(30, 3))
y = rng.integers(0, 3, 30)
Y = rng.integers(0, 2, (30, 20))
S = scipy.sparse.csr_array(np.where(np.abs(X) > 0.5, X, 0))
fits = [
    (LogisticRegression(), X, y),
    (LogisticRegression(), X.astype(np.float32), y > 0),
    (LogisticRegression(solver="lbfgs"), X, y),
    (LogisticRegression(l1_ratio=1.0), X, y),
    (LogisticRegression(l1_ratio=0.5), S, y > 0),
    (LogisticRegression(solver="adam", max_iter=3, tol=0.0, random_state=0), X, y),
    (LogisticRegressionCV(Cs=2, cv=2, **SETTLED), X, y),
    (MultiLabelLogisticRegression(solver="lbfgs"), X, Y),
    (MultiLabelLogisticRegression(solver="lbfgs"), S, Y),
]
found = [clf.fit(rows, targets).predict_proba(rows) for clf, rows, targets in fits]
z = rng.normal(size=(4, 3))
found += [
    F.softmax(z),
    F.log_sigmoid(np.array([-1000.0, 0, 1000])),
    F.cross_entropy_with_grad(z, [0, 2, 1, 0])[1],
    F.cross_entropy_with_grad(z[:, :2], [0, 1, 1, 0])[1],
    F.distillation_loss_with_grad(z, -z)[1],
    F.binary_cross_entropy_with_grad(z, (z > 0).astype(int))[1],
]
blocks = [clf.history_["path"].item() for clf, *_ in fits[-2:]]
"""


def test_every_solver_gives_the_same_without_the_compiler(tmp_path: Path):
    compiled: dict = {}
    exec(SCRIPT, compiled)
    assert all("in blocks" in path for path in compiled["blocks"])
    save = f"np.savez({str(tmp_path / 'found.npz')!r}, *found)\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT + save],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    interpreted = np.load(tmp_path / "found.npz")
    for k, expected in enumerate(compiled["found"]):
        np.testing.assert_allclose(interpreted[f"arr_{k}"], expected, atol=2e-4, err_msg=str(k))
