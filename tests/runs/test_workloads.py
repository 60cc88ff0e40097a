"""Kernels that are compiled ahead are all that ordinary uses need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastclf.runs.warmup import available_levels, compile_ahead
from fastclf.runs.workloads import TABLES, workloads

USES = """
import warnings
import numpy as np
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import scale
import fastclf
from fastclf import functional as F
from fastclf.kernels.runtime import obtained

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
New, Labels = fastclf.LogisticRegression, fastclf.MultiLabelLogisticRegression
iris, wine, cancer, digits = (
    load(return_X_y=True) for load in (load_iris, load_wine, load_breast_cancer, load_digits)
)
S = scipy.sparse.csr_array(digits[0])
wide, many = rng.normal(size=(300, 1000)), rng.integers(0, 150, 3000)
indicators = rng.integers(0, 2, (len(S.indptr) - 1, 40))
uses = {
    "two classes": lambda X, y: New().fit(X, y).predict_proba(X),
    "softmax": lambda X, y: New().fit(*iris).predict_proba(iris[0]),
    "scaled": lambda X, y: New().fit(scale(digits[0]), digits[1]),
    "float32": lambda X, y: New().fit(digits[0].astype(np.float32), digits[1]),
    "precise": lambda X, y: New(tol=1e-9, max_iter=1000).fit(*wine),
    "no penalty": lambda X, y: New(C=np.inf).fit(*wine),
    "balanced": lambda X, y: New(class_weight="balanced").fit(*digits),
    "Adam": lambda X, y: New(solver="adam", max_iter=3).fit(*digits),
    "CSR": lambda X, y: New().fit(S, digits[1]).predict(S),
    "CSR, Adam": lambda X, y: New(solver="adam", max_iter=3).fit(S, digits[1]),
    "L1": lambda X, y: New(l1_ratio=1.0, C=0.1).fit(*digits),
    "L1, two classes": lambda X, y: New(l1_ratio=0.5).fit(scale(X), y),
    "L1, CSR": lambda X, y: New(l1_ratio=1.0).fit(S, digits[1]),
    "labels": lambda X, y: Labels().fit(digits[0], indicators).predict(digits[0]),
    "labels, CSR": lambda X, y: Labels().fit(S, indicators),
    "soft": lambda X, y: New().fit(iris[0], F.softmax(iris[0][:, :3])),
    "distilled": lambda X, y: fastclf.DistilledClassifier(New(), hard_weight=0.5).fit(*iris),
    "CV": lambda X, y: fastclf.LogisticRegressionCV(Cs=3, cv=3).fit(*digits),
    "wide": lambda X, y: New().fit(wide, many[:300] % 3),
    "many classes": lambda X, y: New().fit(rng.normal(size=(3000, 50)), many),
    "parts": lambda X, y: New(solver="sgd").partial_fit(X, y, classes=[0, 1]),
    "losses": lambda X, y: F.cross_entropy_with_grad(digits[0], digits[1]),
}
for name, use in uses.items():
    before = obtained.so_far().compiled
    use(*cancer)
    after = obtained.so_far().compiled
    if after > before:
        print(name, after - before)
"""


def test_names_of_workloads_differ():
    names = [workload.name for workload in workloads()]
    assert len(set(names)) == len(names) > 20


def test_a_workload_runs_with_every_table():
    (workload,) = (one for one in workloads() if one.name == "functional, float64")
    for costs in TABLES:
        workload.run(costs)


@pytest.mark.slow
@pytest.mark.skipif(not available_levels(), reason="needs a level of the instruction set")
def test_ordinary_uses_compile_nothing(tmp_path: Path):
    done = compile_ahead(is_portable=True, into=tmp_path / "kernels")
    assert done.compiled > 300 * len(done.levels)
    environment = {
        "FASTCLF_KERNELS": str(tmp_path / "kernels"),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
    }
    found = subprocess.run(
        [sys.executable, "-c", USES], env=os.environ | environment, capture_output=True, text=True
    )
    assert (found.stdout, found.returncode) == ("", 0), found.stderr
