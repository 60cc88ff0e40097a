"""Fixtures and settings that all tests share."""

from functools import partialmethod
from inspect import signature

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, settings

from fastclf import threads

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
