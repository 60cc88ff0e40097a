"""A solver for benchopt's benchmark of logistic regression with an L2 penalty, benchmark_logreg_l2.

Copy this file to ``solvers/fastclf.py`` in a clone of that benchmark, install fastclf, and run
``benchopt run . -s fastclf -s sklearn -d simulated`` there.

The benchmark's objective is the sum of the losses plus ``lmbd / 2`` times the squared norm of the
coefficients, without intercept: C = 1 / lmbd.
"""

import warnings

from benchopt import BaseSolver
from sklearn.exceptions import ConvergenceWarning

from fastclf import LogisticRegression


class Solver(BaseSolver):
    """fastclf, with the solver that it chooses itself and with named ones."""

    name = "fastclf"
    install_cmd = "conda"
    requirements = ["pip::fastclf"]
    parameters = {"solver": ["auto", "newton", "lbfgs"]}
    sampling_strategy = "iteration"

    def set_objective(self, X, y, lmbd):
        """Keep the problem; each run fits it anew, with another number of iterations."""
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        self.X, self.y = X, y
        self.clf = LogisticRegression(
            solver=self.solver, C=1 / lmbd, fit_intercept=False, tol=1e-15
        )

    def warm_up(self):
        """Load the kernels, or compile them, before times are taken."""
        self.run_once(stop_val=100)  # to the end, where other kernels may be used

    def run(self, n_iter):
        """Fit with at most this number of iterations."""
        self.clf.set_params(max_iter=n_iter).fit(self.X, self.y)

    def get_result(self):
        """Return the coefficients."""
        return {"beta": self.clf.coef_.ravel()}
