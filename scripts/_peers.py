"""The exact solvers whose time to precision ``benchmark.py`` compares.

All fit C = 1 with an unpenalised intercept. Each solver runs with increasing limits on its
iterations and no tolerance, or with decreasing tolerances.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.sparse
from _benchmark import brief
from _problems import PROBLEMS, Problem
from sklearn import linear_model

import fastclf
from fastclf.threads import available_cpus

ITERATIONS = tuple(m * 10**e for e in range(5) for m in (1, 2, 5))
TOLERANCES = tuple(10.0**-e for e in range(11))

TINY = 1e-14
"""The tolerance for solvers that should stop at their limit on iterations."""

MOST = 20_000
"""The limit on iterations for solvers that should stop at their tolerance."""

MEMORY = 1e9
"""Largest size of a Hessian in bytes."""

Setting = int | float
Coefficients = tuple[np.ndarray, np.ndarray]
Fit = Callable[[Problem, Setting, int], Coefficients]
"""Fits a problem, given a limit on iterations (int) or a tolerance (float), and a thread count."""


def ours(problem: Problem, setting: Setting, threads: int, solver: str, dtype: type = np.float64):
    limited = isinstance(setting, int)
    model = fastclf.LogisticRegression(
        solver=solver,
        tol=TINY if limited else setting,
        max_iter=setting if limited else MOST,
        n_threads=None if threads == available_cpus() else threads,
    ).fit(problem.X.astype(dtype, copy=False), problem.y)
    return model.coef_, model.intercept_


def scikit_learn(problem: Problem, limit: int, threads: int, dtype: type = np.float64, **params):
    model = linear_model.LogisticRegression(tol=TINY, max_iter=limit, random_state=0, **params)
    model.fit(problem.X.astype(dtype, copy=False), problem.y)
    return model.coef_, model.intercept_


def intelex(problem: Problem, limit: int, threads: int, solver: str, dtype: type = np.float64):
    from sklearnex.linear_model import LogisticRegression

    model = LogisticRegression(solver=solver, tol=TINY, max_iter=limit, n_jobs=threads)
    model.fit(problem.X.astype(dtype, copy=False), problem.y)
    return model.coef_, model.intercept_


def liblinear(problem: Problem, tol: float, threads: int):
    from liblinear import liblinearutil

    nodes = liblinearutil.problem(problem.y.astype(np.float64), scipy.sparse.csr_matrix(problem.X))
    model = liblinearutil.train(nodes, f"-s 0 -c 1 -e {tol} -B 1 -R -q")  # -R: free intercept
    theta = np.ctypeslib.as_array(model.w, (problem.X.shape[1] + 1,)).copy()
    if model.label[0] == 0:  # the label of the first row is the positive one
        theta = -theta
    return theta[None, :-1], theta[-1:]


def snapml(problem: Problem, limit: int, threads: int, dual: bool):
    from snapml import LogisticRegression

    model = LogisticRegression(
        dual=dual, tol=TINY, max_iter=limit, n_jobs=threads, fit_intercept=True, random_state=0
    ).fit(problem.X, problem.y)
    return np.reshape(model.coef_, (1, -1)), np.ravel(model.intercept_)


def skglm(problem: Problem, limit: int, threads: int):
    from skglm import GeneralizedLinearEstimator
    from skglm.datafits import Logistic
    from skglm.penalties import L1_plus_L2
    from skglm.solvers import ProxNewton

    n, d = problem.X.shape
    solver = ProxNewton(max_iter=limit, tol=TINY, p0=d)  # the working set has all features
    model = GeneralizedLinearEstimator(Logistic(), L1_plus_L2(1 / n, l1_ratio=0.0), solver)
    model.fit(np.asfortranarray(problem.X), problem.y)
    return model.coef_, np.ravel(model.intercept_)


def torch_lbfgs(problem: Problem, limit: int, threads: int):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    X, y = torch.from_numpy(problem.X), torch.from_numpy(problem.y)
    n, d = problem.X.shape
    K = 1 if problem.K == 2 else problem.K
    W = torch.zeros((K, d), dtype=torch.float64, requires_grad=True)
    b = torch.zeros(K, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [W, b],
        max_iter=limit,
        max_eval=10 * limit + 10,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )
    positive = y.double()

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        Z = torch.addmm(b, X, W.T)
        if K == 1:
            loss = torch.nn.functional.binary_cross_entropy_with_logits(Z[:, 0], positive)
        else:
            loss = torch.nn.functional.cross_entropy(Z, y)
        value = loss + W.square().sum() / (2 * n)
        value.backward()
        return value

    try:
        optimizer.step(closure)
    finally:
        torch.set_num_threads(before)
    return W.detach().numpy(), b.detach().numpy()


@dataclass(frozen=True)
class Contender:
    name: str
    fit: Fit
    module: str = "sklearn"
    ladder: tuple[Setting, ...] = ITERATIONS
    binary: bool = False
    threaded: bool = True
    hessian: bool = False

    @property
    def ours(self) -> bool:
        return self.module == "fastclf"

    def threads(self) -> list[int]:
        """Return the numbers of threads to try."""
        return sorted({1, available_cpus()}, reverse=True) if self.threaded else [1]

    def takes(self, problem: Problem) -> bool:
        """Tell whether the solver supports the problem, and its Hessian fits into memory."""
        columns = 1 if problem.K == 2 else problem.K
        size = 8.0 * (columns * (problem.X.shape[1] + 1)) ** 2
        return (problem.K == 2 or not self.binary) and (size <= MEMORY or not self.hessian)

    def refusal(self) -> str | None:
        """Warm the solver up on small problems; return why it can't run, or None."""
        try:
            if importlib.util.find_spec(self.module) is None:
                return f"{self.module} isn't installed"
            for name in ("breast_cancer_scaled", "iris"):
                problem = PROBLEMS[name](name)
                if self.takes(problem):
                    self.fit(problem, self.ladder[3], self.threads()[0])
        except Exception as error:
            return brief(error)
        return None


def _ours(name: str, ladder: tuple[Setting, ...] = TOLERANCES, **params) -> Contender:
    return Contender(f"fastclf {name}", partial(ours, **params), "fastclf", ladder)


CONTENDERS = (
    _ours("auto", solver="auto"),
    _ours("newton", solver="newton"),
    _ours("lbfgs", solver="lbfgs"),
    _ours("auto by iterations", ITERATIONS, solver="auto"),
    _ours("auto float32", solver="auto", dtype=np.float32),
    Contender(
        "scikit-learn newton-cholesky",
        partial(scikit_learn, solver="newton-cholesky"),
        hessian=True,
    ),
    Contender("intelex lbfgs", partial(intelex, solver="lbfgs"), "sklearnex"),
    Contender(
        "intelex lbfgs float32",
        partial(intelex, solver="lbfgs", dtype=np.float32),
        "sklearnex",
    ),
    Contender("intelex newton-cg", partial(intelex, solver="newton-cg"), "sklearnex"),
    Contender("scikit-learn lbfgs", partial(scikit_learn, solver="lbfgs")),
    Contender(
        "scikit-learn lbfgs float32", partial(scikit_learn, solver="lbfgs", dtype=np.float32)
    ),
    Contender("scikit-learn newton-cg", partial(scikit_learn, solver="newton-cg")),
    Contender("torch L-BFGS", torch_lbfgs, "torch"),
    Contender("liblinear", liblinear, "liblinear", TOLERANCES, binary=True, threaded=False),
    Contender(
        "scikit-learn liblinear",
        partial(scikit_learn, solver="liblinear", intercept_scaling=100),
        binary=True,
        threaded=False,
    ),
    Contender("skglm ProxNewton", skglm, "skglm", binary=True, threaded=False),
    Contender("snapml dual", partial(snapml, dual=True), "snapml", binary=True),
    Contender("snapml primal", partial(snapml, dual=False), "snapml", binary=True),
    Contender("scikit-learn sag", partial(scikit_learn, solver="sag"), threaded=False),
    Contender("scikit-learn saga", partial(scikit_learn, solver="saga"), threaded=False),
)
