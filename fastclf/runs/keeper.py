"""The keeper of a run's fit: decides when to write checkpoints, and loads the one to resume from.

A checkpoint is written between two iterations, or between two slices of an epoch. It is due after
``every_seconds`` of the recipe, or later if writing would take more than a fiftieth of the time;
and after ``every_epochs`` of the recipe.
"""

import time
from collections.abc import Callable
from typing import Any

from fastclf.config import CheckpointTable
from fastclf.runs.checkpoint import Checkpoint, Checkpoints
from fastclf.runs.interrupt import Interrupt
from fastclf.runs.serialization import check_compatible, pack, unpack
from fastclf.solvers import Progress, Snapshot

SHARE = 0.02  # largest share of the time spent on writing checkpoints


class RunKeeper:
    """A :class:`fastclf.solvers.Keeper` that writes checkpoints to a folder.

    Parameters
    ----------
    checkpoints : Checkpoints
    table : CheckpointTable
        How often checkpoints are written.
    interrupt : Interrupt
        Tells whether the fit must stop.
    current_warnings : callable
        Returns the warnings so far, which are stored in the checkpoint.
    on_start : callable
        Called when the fit starts, with the steps reported before the checkpoint that it resumes
        from; an empty list if it starts anew.
    on_damaged : callable
        Called with a message about each checkpoint that can't be used.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        table: CheckpointTable,
        interrupt: Interrupt,
        current_warnings: Callable[[], list[str]],
        on_start: Callable[[list[Progress]], None],
        on_damaged: Callable[[str], None],
    ) -> None:
        self.checkpoints = checkpoints
        self.table = table
        self.interrupt = interrupt
        self.current_warnings = current_warnings
        self.on_start = on_start
        self.on_damaged = on_damaged
        self.earlier_seconds = 0.0
        self.earlier_compile_seconds = 0.0
        self.earlier_warnings: list[str] = []
        self._objective: Any = None
        self._last_time = 0.0
        self._last_cost = 0.0
        self._last_iteration = 0

    def start(self, objective: Any, first: Snapshot) -> Snapshot | None:
        """Return the state to resume from: that of the most recent intact checkpoint, if any."""
        self.interrupt.can_wait = True
        self._objective = objective
        self._last_time = time.perf_counter()
        snapshot = self._latest_usable(first)
        if snapshot is not None:
            self.earlier_seconds = snapshot.seconds
            self.earlier_compile_seconds = snapshot.compile_seconds
            self._last_iteration = snapshot.state.iteration
        self.on_start([] if snapshot is None else snapshot.progress())
        return snapshot

    def look(self, iteration: int, take: Callable[[], Snapshot]) -> None:
        """Write a checkpoint if one is due, or if the fit must stop.

        Raises
        ------
        KeyboardInterrupt
            If the fit must stop.
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
        waited = time.perf_counter() - self._last_time
        if every == 0 or waited >= max(every, self._last_cost / SHARE):
            return True
        epochs = self.table.every_epochs
        return epochs is not None and iteration >= self._last_iteration + epochs

    def _write(self, snapshot: Snapshot) -> None:
        started = time.perf_counter()
        arrays, tree = pack(snapshot, {"objective": self._objective})
        lines = [*self.earlier_warnings, *self.current_warnings()]
        notes = {"iteration": snapshot.state.iteration, "warnings": lines}
        self.checkpoints.write(Checkpoint(arrays, tree, _score(snapshot), notes))
        self._last_iteration = snapshot.state.iteration
        self._last_time = time.perf_counter()
        self._last_cost = self._last_time - started

    def _latest_usable(self, first: Snapshot) -> Snapshot | None:
        skipped = 0

        def skip(reason: str) -> None:
            nonlocal skipped
            skipped += 1
            self.on_damaged(f"{reason}; this checkpoint is skipped")

        for checkpoint in self.checkpoints.latest(skip):
            try:
                known = {"objective": self._objective}
                snapshot = unpack(checkpoint.arrays, checkpoint.tree, known)
                check_compatible(snapshot, first)
                check_compatible(snapshot.state, first.state)
                if snapshot.solver != first.solver or snapshot.max_iter != first.max_iter:
                    raise ValueError(f"written by {snapshot.solver}, not by {first.solver}")
                self.earlier_warnings = [str(line) for line in checkpoint.notes["warnings"]]
                return snapshot
            except (ValueError, KeyError, TypeError) as problem:
                skip(f"in {self.checkpoints.folder}: {problem}")
        if skipped:
            self.on_damaged(f"{self.checkpoints.folder}: no usable checkpoint, so the fit restarts")
        return None


def _score(snapshot: Snapshot) -> float:
    """Return the validation loss, or without validation rows the objective."""
    if snapshot.best_theta is not None:
        return float(snapshot.best_loss)
    return float(snapshot.state.objective)
