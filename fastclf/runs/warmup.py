"""Compiling kernels ahead: into Numba's cache directory, or into bundles for other machines.

Fits that use the kernels (:mod:`fastclf.runs.workloads`), or the training of a recipe, run in
processes of their own, because several compile faster than one. For a level of the instruction set
a process must be told before it imports Numba, so this module imports it only in functions.
"""

import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from fastclf.errors import RunError

if TYPE_CHECKING:
    from fastclf.config import Recipe


class Task(NamedTuple):
    """A workload by its name, or the training of a recipe, whose name and text it has."""

    name: str
    recipe: str = ""


class Done(NamedTuple):
    """A task that has run for a level; how many kernels it compiled, or found compiled."""

    task: Task
    level: str
    compiled: int
    loaded: int


@dataclass(frozen=True)
class WarmUp:
    """What was compiled.

    Parameters
    ----------
    compiled, loaded : int
        Kernels that had to be compiled, and those that had been before.
    seconds : float
    jobs : int
        Number of processes.
    levels : list of str
        Levels of the instruction set; empty if kernels were compiled for this very processor.
    folder : str
        Where the bundles of these levels are, or "".
    """

    compiled: int
    loaded: int
    seconds: float
    jobs: int
    levels: list[str]
    folder: str

    def sentence(self) -> str:
        """Return all that in words."""
        text = f"{self.compiled} kernels compiled in {self.seconds:.1f} s"
        if self.loaded:
            text += f", {self.loaded} were compiled before"
        if self.levels:
            text += f"; for {' and '.join(self.levels)}, in {self.folder}"
        return text


def compile_ahead(
    recipe: "Recipe | None" = None,
    jobs: int | None = None,
    is_portable: bool = False,
    into: Path | None = None,
    console: Console | None = None,
) -> WarmUp:
    """Compile all kernels, or those that a recipe needs, and show the progress on a console.

    Parameters
    ----------
    recipe : Recipe, optional
        It is trained once, and the run isn't kept.
    jobs : int, optional
        Number of processes; by default the number of CPUs.
    is_portable : bool
        Whether to compile for all processors of a level, rather than for this very one.
    into : Path, optional
        The folder of the bundles of portable kernels; by default that of the package.
    console : Console, optional

    Raises
    ------
    FastclfError
        If this processor has no level, the folder can't be written, or the recipe can't be trained.
    """
    from fastclf.threads import available_cpus
    from fastclf.toml import to_toml

    tasks = all_tasks() if recipe is None else [Task(recipe.name, to_toml(recipe))]
    jobs = min(jobs or available_cpus(), len(tasks))
    levels, folder = [], None
    if is_portable:
        levels, folder = available_levels(), _folder(into)
        if not levels:
            raise RunError(
                "this processor supports none of the instruction set levels; leave out --portable"
            )
    start = perf_counter()
    compiled = loaded = 0
    with _progress(console, len(tasks) * max(len(levels), 1)) as show:
        for done in warm_up(tasks, jobs, levels or [""], folder):
            compiled, loaded = compiled + done.compiled, loaded + done.loaded
            show(done)
    seconds = perf_counter() - start
    return WarmUp(compiled, loaded, seconds, jobs, levels, str(folder or ""))


def _folder(into: Path | None) -> Path:
    from fastclf.kernels.runtime import bundles

    folder = (into or bundles.folder() or bundles.IN_PACKAGE).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        raise RunError(f"{folder}: can't be written ({error.strerror}); use --into DIR") from None
    return folder


@contextmanager
def _progress(console: Console | None, total: int) -> Iterator[Callable[[Done], None]]:
    if console is None:
        yield lambda done: None
    elif not console.is_interactive:
        yield lambda done: console.out(_line(done), highlight=False)
    else:
        columns = (
            TextColumn("compiling"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[last]}"),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("", total=total, last="")
            yield lambda done: bar.update(task, advance=1, last=_line(done))


def _line(done: Done) -> str:
    name = f"{done.level}: {done.task.name}" if done.level else done.task.name
    return f"{name}: {done.compiled} compiled"


def available_levels() -> list[str]:
    """Return the names of the levels that kernels can be compiled for here, the richest first.

    Kernels run while they are compiled, so this processor must have the instructions of a level.
    """
    from fastclf.kernels.runtime import bundles, levels

    return [level.name for level in levels.served(bundles.target())]


def all_tasks() -> list[Task]:
    """Return the tasks that together use every kernel."""
    from fastclf.runs.workloads import workloads

    return [Task(workload.name) for workload in workloads()]


def warm_up(
    tasks: Sequence[Task], jobs: int, levels: Sequence[str] = ("",), into: Path | None = None
) -> Iterator[Done]:
    """Run tasks in ``jobs`` processes, and yield each when it is done.

    Parameters
    ----------
    tasks : sequence of Task
    jobs : int
    levels : sequence of str
        Names of levels for which each task runs; "" is this very processor.
    into : Path, optional
        The folder of the bundles that kernels of a level are written to.

    Raises
    ------
    FastclfError
        If a recipe can't be trained, or a process ends early.
    """
    spawn = multiprocessing.get_context("spawn")
    for level in levels:
        with ProcessPoolExecutor(jobs, spawn, _begin, (level, into)) as pool:
            try:
                for future in as_completed([pool.submit(_run, level, task) for task in tasks]):
                    yield future.result()
            except BrokenProcessPool:
                message = "a compiling process ended early; try fewer processes with --jobs"
                raise RunError(message) from None
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def _begin(level: str, into: Path | None) -> None:
    if not level:
        return
    from fastclf.kernels.runtime.levels import by_name

    os.environ.update(by_name(level).environment)
    from fastclf.kernels.runtime import bundles

    if into is not None:
        bundles.write_to(into)


def _run(level: str, task: Task) -> Done:
    from fastclf.kernels.runtime import obtained

    before = obtained.so_far()
    if task.recipe:
        _train(task.recipe)
    else:
        from fastclf.runs.workloads import TABLES, workloads

        (workload,) = (one for one in workloads() if one.name == task.name)
        for costs in TABLES:
            workload.run(costs)
    found = obtained.so_far().since(before)
    return Done(task, level, found.compiled, found.bundle + found.cache)


def _train(text: str) -> None:
    from fastclf.runs.draft_text import parsed
    from fastclf.runs.run import train

    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train(parsed(text, Path("recipe.toml")), Path(folder) / "run")
