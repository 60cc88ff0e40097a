"""The keeper of a run's fit: writes checkpoints when it's time, and finds the one to go on from.

A checkpoint is written once enough seconds have gone by, at the next iteration or slice of an
epoch, and no more of the time is spent on it than a fiftieth; and after as many epochs as the
recipe says.
"""

import time
from collections.abc import Callable
from typing import Any

from fastclf.config import CheckpointTable
from fastclf.runs.checkpoint import Checkpoint, Checkpoints
from fastclf.runs.interrupt import Interrupt
from fastclf.runs.plain import check_alike, from_plain, to_plain
from fastclf.solvers import Progress, Snapshot

SHARE = 0.02


class RunKeeper:
    """A :class:`fastclf.solvers.Keeper` that writes to a folder.

    Parameters
    ----------
    checkpoints : Checkpoints
    table : CheckpointTable
        How often they are written.
    interrupt : Interrupt
        Whether the fit is to stop.
    warned : callable
        Returns the warnings so far, to be kept as well.
    go_on : callable
        Told what observers heard until the place from which the fit goes on.
    damaged : callable
        Told, in words, of a checkpoint that can't be used.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        table: CheckpointTable,
        interrupt: Interrupt,
        warned: Callable[[], list[str]],
        go_on: Callable[[list[Progress]], None],
        damaged: Callable[[str], None],
    ) -> None:
        self.checkpoints = checkpoints
        self.table = table
        self.interrupt = interrupt
        self.warned = warned
        self.go_on = go_on
        self.damaged = damaged
        self.earlier_seconds = 0.0
        self.earlier_warnings: list[str] = []
        self._objective: Any = None
        self._written = 0.0
        self._cost = 0.0
        self._iterations = 0

    def start(self, objective: Any, first: Snapshot) -> Snapshot | None:
        """Return where the fit is to go on: at the last checkpoint that is whole."""
        self.interrupt.can_wait = True
        self._objective = objective
        self._written = time.perf_counter()
        snapshot = self._find(first)
        if snapshot is not None:
            self.earlier_seconds = snapshot.seconds
            self._iterations = snapshot.state.iteration
        self.go_on([] if snapshot is None else snapshot.progress())
        return snapshot

    def look(self, iteration: int, take: Callable[[], Snapshot]) -> None:
        """Write a checkpoint if it's time to, or the last one if the fit is to stop.

        Raises
        ------
        KeyboardInterrupt
            If it is.
        RunError
            If the checkpoint can't be written.
        """
        if self.interrupt.requested:
            self._write(take())
            raise KeyboardInterrupt
        if self._is_due(iteration):
            self._write(take())

    def _is_due(self, iteration: int) -> bool:
        every = self.table.every_seconds
        waited = time.perf_counter() - self._written
        if every == 0 or waited >= max(every, self._cost / SHARE):
            return True
        epochs = self.table.every_epochs
        return epochs is not None and iteration >= self._iterations + epochs

    def _write(self, snapshot: Snapshot) -> None:
        started = time.perf_counter()
        arrays, tree = to_plain(snapshot, {"objective": self._objective})
        notes = {"iteration": snapshot.state.iteration, "warnings": self._warnings()}
        self.checkpoints.write(Checkpoint(arrays, tree, _score(snapshot), notes))
        self._iterations = snapshot.state.iteration
        self._written = time.perf_counter()
        self._cost = self._written - started

    def _warnings(self) -> list[str]:
        return [*self.earlier_warnings, *self.warned()]

    def _find(self, first: Snapshot) -> Snapshot | None:
        passed_over = 0

        def pass_over(what: str) -> None:
            nonlocal passed_over
            passed_over += 1
            self.damaged(f"{what}; this checkpoint is passed over")

        for checkpoint in self.checkpoints.latest(pass_over):
            try:
                known = {"objective": self._objective}
                snapshot = from_plain(checkpoint.arrays, checkpoint.tree, known)
                check_alike(snapshot, first)
                check_alike(snapshot.state, first.state)
                if snapshot.solver != first.solver or snapshot.max_iter != first.max_iter:
                    raise ValueError(f"of the solver {snapshot.solver}, not {first.solver}")
                self.earlier_warnings = [str(line) for line in checkpoint.notes["warnings"]]
                return snapshot
            except (ValueError, KeyError, TypeError) as problem:
                pass_over(f"in {self.checkpoints.folder}: {problem}")
        if passed_over:
            self.damaged(f"{self.checkpoints.folder}: none is left, so the fit starts again")
        return None


def _score(snapshot: Snapshot) -> float:
    """Return the loss by which the best is found: that on validation rows if there are any."""
    if snapshot.best_theta is not None:
        return float(snapshot.best_loss)
    return float(snapshot.state.objective)
