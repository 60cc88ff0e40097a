"""Which combinations of keys besides C and l1_ratio a search tries, one after another."""

from collections.abc import Iterator
from typing import Any

from fastclf.config import Range, TuneTable
from fastclf.errors import ConfigError


class Trials:
    """The combinations to try; without other keys than C and l1_ratio a single empty one.

    Each depends on the seed and on the results of those before it alone, so that a search that was
    stopped goes on as it would have.

    Parameters
    ----------
    table : TuneTable
    seed : int

    Raises
    ------
    ConfigError
        If other keys are searched, and Optuna isn't installed.
    """

    def __init__(self, table: TuneTable, seed: int) -> None:
        self._table = table
        self._study: Any = None
        self._asked: Any = None
        if table.others:
            self._study = _study(seed)

    def __len__(self) -> int:
        """Return how many combinations are tried."""
        return self._table.trials if self._table.others else 1

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the values of a combination by dotted key; call `tell` before the next."""
        for _ in range(len(self)):
            if self._study is None:
                yield {}
                continue
            self._asked = self._study.ask()
            yield {key: self._suggest(key, space) for key, space in self._table.others.items()}

    def tell(self, loss: float) -> None:
        """Take the result of the combination that was yielded last; lower is better."""
        if self._study is not None:
            self._study.tell(self._asked, loss)

    def _suggest(self, key: str, space: Any) -> Any:
        if not isinstance(space, Range):
            # Optuna takes equal values of different types for the same choice.
            number = self._asked.suggest_categorical(key, range(len(space)))
            return space[number]
        if isinstance(space.low, int) and isinstance(space.high, int):
            return self._asked.suggest_int(key, space.low, space.high, log=space.log)
        low, high = float(space.low), float(space.high)
        return self._asked.suggest_float(key, low, high, log=space.log)


def _study(seed: int) -> Any:
    try:
        import optuna
    except ImportError:
        raise ConfigError(
            "[tune] searches other keys than C and l1_ratio with Optuna, which isn't installed; "
            "run: "
            "pip install 'fastclf[tune]', or leave these keys out"
        ) from None
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    finally:
        optuna.logging.set_verbosity(verbosity)
