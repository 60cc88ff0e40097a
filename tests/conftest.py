"""Fixtures and settings that all tests share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partialmethod
from inspect import signature

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from fastclf import threads
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

threads._WORTH = 1  # so that small data goes to several threads, too: no bit depends on it


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
