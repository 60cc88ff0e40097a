"""Fixtures and settings that all tests share; which tests are run, and in how many processes.

``FASTCLF_TESTS=all`` in the environment adds those that are marked slow.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partialmethod
from inspect import signature

import numpy as np
import pytest
import workers
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from fastclf import threads
from fastclf.kernels.runtime import obtained
from fastclf.plan import current_costs, using

if "mix_stderr" in signature(CliRunner).parameters:  # click before 8.2 mixes the two streams
    CliRunner.__init__ = partialmethod(CliRunner.__init__, mix_stderr=False)
    Result.output = property(lambda self: self.stdout + self.stderr)

settings.register_profile(
    "default",
    max_examples=40,
    deadline=None,  # the first example may compile a kernel
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("default")

# No command says that it compiles: which test compiles a kernel depends on those before it.
obtained.PATIENCE = 3600.0

# Small data goes to several threads, too: no bit depends on it.
threads._MIN_HELPER_WORK = 1


if sys.platform == "win32":  # they import modules that only Unix has
    collect_ignore = ["cli/test_cli.py", "data/test_writers.py", "runs/test_resume.py"]


def pytest_configure(config: pytest.Config) -> None:
    wanted = os.environ.get("FASTCLF_TESTS", "")
    if wanted not in ("", "all"):
        raise pytest.UsageError(f"FASTCLF_TESTS={wanted}: it can only be all")
    if wanted and config.option.markexpr == "not slow":
        config.option.markexpr = ""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    return workers.number(config.args)


@pytest.fixture(scope="session", autouse=True)
def common_kernels(request: pytest.FixtureRequest) -> None:
    """Before many tests, compile what most need, each process another part of it."""
    if hasattr(request.config, "workerinput") and request.session.testscollected > 1000:
        own = request.config.workerinput
        workers.compile_common_kernels(int(own["workerid"][2:]), own["workercount"])


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session", params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest) -> type:
    return request.param


@pytest.fixture
def use_costs() -> Iterator[Callable[..., None]]:
    """Return a function that changes the costs by which objectives choose, for one test."""
    with ExitStack() as stack:

        def change(**changes: float) -> None:
            stack.enter_context(using(replace(current_costs(), **changes)))

        yield change
