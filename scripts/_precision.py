"""Time to precision: the shortest fit of each solver that reaches a given objective gap.

A solver runs a ladder of settings, from the least work to the most. A rung is one fit of the
ladder; a climb is all fits of one solver on one problem.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from statistics import median

from _benchmark import brief, timed
from _peers import CONTENDERS, TOLERANCES, Contender, Setting
from _problems import Problem, objective
from threadpoolctl import threadpool_limits

GAP = 1e-6

SLACK = 5
"""A peer is given up when a fit takes this many times as long as the fastest peer's."""

LEAST = 0.25
"""Seconds that a rung may always take, whatever the fastest peer needed."""

REFINEMENTS = 3


@dataclass(frozen=True)
class Rung:
    setting: Setting
    seconds: float
    objective: float


@dataclass
class Climb:
    """The fits of a contender on one problem, with one number of threads."""

    contender: Contender
    threads: int
    rungs: list[Rung] = field(default_factory=list)
    seconds: float | None = None
    setting: Setting | None = None
    error: str | None = None

    @property
    def name(self) -> str:
        if not self.contender.threaded:
            return self.contender.name
        return f"{self.contender.name}, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def ladder(self) -> list[Rung]:
        """Return the rungs, ordered from the least work to the most."""
        falling = isinstance(self.contender.ladder[0], float)
        return sorted(self.rungs, key=lambda rung: rung.setting, reverse=falling)

    def reaching(self, target: float) -> Rung | None:
        """Return the rung with the least work that reaches the target."""
        return next((rung for rung in self.ladder() if rung.objective <= target), None)

    def settle(self, target: float) -> None:
        """Set the time to precision to that of the cheapest rung that reaches the target."""
        rung = self.reaching(target)
        if rung is not None:
            self.seconds, self.setting = rung.seconds, rung.setting

    def lowest(self) -> float:
        return min((rung.objective for rung in self.rungs), default=math.inf)

    def expected(self, setting: Setting) -> float:
        """Estimate the seconds of a rung from the seconds per iteration between the last two."""
        if not self.rungs or isinstance(setting, float):
            return self.rungs[-1].seconds if self.rungs else 0.0
        last = self.rungs[-1]
        before = self.rungs[-2] if len(self.rungs) > 1 else Rung(0, 0.0, math.inf)
        pace = (last.seconds - before.seconds) / (last.setting - before.setting)
        return last.seconds + max(pace, 0.0) * (setting - last.setting)

    def run(self, problem: Problem, setting: Setting) -> Rung:
        limit = nullcontext() if self.contender.ours else threadpool_limits(self.threads)
        with limit:
            seconds, (W, b) = timed(lambda: self.contender.fit(problem, setting, self.threads))
        value = objective(problem.X, problem.y, W, b)
        return Rung(setting, seconds, value if math.isfinite(value) else math.inf)

    def climb(self, problem: Problem, target: float, limit: float, twin: "Climb | None") -> None:
        """Run rungs up to one beyond the target, as long as none takes more seconds than the limit.

        ``twin`` is the climb of the same solver with another number of threads; its rung that
        reached the target tells where to start.
        """
        ladder = self.contender.ladder
        if twin is not None and twin.rungs:
            near = twin.reaching(target) or twin.ladder()[-1]
            ladder = ladder[max(ladder.index(near.setting) - 1, 0) :]
        for setting in ladder:
            if self.expected(setting) > limit:
                break
            reached = self.reaching(target) is not None
            rung = self.run(problem, setting)
            self.rungs.append(rung)
            stalled = len(self.rungs) > 1 and rung.objective == self.rungs[-2].objective
            if reached or rung.seconds > limit or (stalled and isinstance(setting, int)):
                break

    def attempt(self, action: Callable, *args: object) -> object:
        """Return the result of a call; if it raises, record the error and return None."""
        try:
            return action(*args)
        except Exception as error:
            self.error = brief(error)
            return None

    def refine(self, problem: Problem, target: float) -> None:
        """Bisect the setting between the last rung that misses the target and the next one."""
        for _ in range(REFINEMENTS):
            ladder = self.ladder()
            first = next(i for i, rung in enumerate(ladder) if rung.objective <= target)
            if first == 0:
                return
            low, high = ladder[first - 1].setting, ladder[first].setting
            setting = math.sqrt(low * high)
            if isinstance(high, int):
                setting = round(setting)
            if setting in (low, high):
                return
            self.rungs.append(self.run(problem, setting))


def ready() -> tuple[list[Contender], dict[str, str]]:
    """Warm up all contenders; return those that can run, and the reasons why the others can't."""
    refusals = {contender.name: contender.refusal() for contender in CONTENDERS}
    able = [contender for contender in CONTENDERS if refusals[contender.name] is None]
    return able, {name: reason for name, reason in refusals.items() if reason}


def race(
    problem: Problem, contenders: list[Contender], repeats: int, budget: float, cap: float
) -> tuple[float, list[Climb]]:
    """Run all contenders; return the lowest objective that any reached, and their climbs."""
    climbs = [
        Climb(contender, threads)
        for contender in contenders
        if contender.takes(problem)
        for threads in contender.threads()
    ]
    ours = [climb for climb in climbs if climb.contender.ours]
    reference = next((c for c in ours if c.contender.name == "fastclf newton"), ours[0])
    best = reference.run(problem, TOLERANCES[-1]).objective
    record = math.inf
    twins: dict[str, Climb] = {}
    for climb in climbs:
        limit = cap if climb.contender.ours else min(cap, max(SLACK * record, LEAST))
        twin = twins.setdefault(climb.contender.name, climb)
        target = best + GAP * abs(best)
        climb.attempt(climb.climb, problem, target, limit, None if twin is climb else twin)
        best = min(best, climb.lowest())
        rung = climb.reaching(best + GAP * abs(best))
        if rung is not None and not climb.contender.ours:
            record = min(record, rung.seconds)
    _time_finalists(problem, climbs, best + GAP * abs(best), repeats, budget)
    return min(best, *(climb.lowest() for climb in climbs)), climbs


def _time_finalists(
    problem: Problem, climbs: list[Climb], target: float, repeats: int, budget: float
) -> None:
    # Every climb that reached the target gets a time. Those of fastclf and of the fastest peers are
    # refined and repeated.
    for climb in climbs:
        climb.settle(target)
    reached = [climb for climb in climbs if climb.seconds is not None]
    near = 3 * min((c.seconds for c in reached if not c.contender.ours), default=math.inf)
    finalists = [climb for climb in reached if climb.contender.ours or climb.seconds <= near]
    for climb in finalists:
        climb.attempt(climb.refine, problem, target)
        climb.settle(target)
    seconds = {climb.name: [climb.seconds] for climb in finalists}
    for _ in range(repeats - 1):
        for climb in finalists:
            if sum(seconds[climb.name]) < budget:
                rung = climb.attempt(climb.run, problem, climb.setting)
                if rung is not None:
                    seconds[climb.name].append(rung.seconds)
    for climb in finalists:
        climb.seconds = median(seconds[climb.name])


def fastest(climbs: list[Climb]) -> Climb | None:
    """Return the climb with the shortest time to precision, or None if none reached the target."""
    there = [climb for climb in climbs if climb.seconds is not None]
    return min(there, key=lambda climb: climb.seconds, default=None)


def gap(value: float, best: float) -> float | None:
    return (value - best) / abs(best) if math.isfinite(value) else None


def described(best: float, climbs: list[Climb]) -> dict:
    """Return all results of a race as JSON values."""
    contenders = []
    for climb in climbs:
        ladder = [
            {
                "setting": rung.setting,
                "seconds": rung.seconds,
                "objective": rung.objective if math.isfinite(rung.objective) else None,
                "gap": gap(rung.objective, best),
            }
            for rung in climb.rungs
        ]
        contenders.append(
            {
                "name": climb.contender.name,
                "threads": climb.threads,
                "seconds to precision": climb.seconds,
                "setting": climb.setting,
                "smallest gap": gap(climb.lowest(), best),
                "error": climb.error,
                "ladder": ladder,
            }
        )
    return {"best objective": best, "contenders": contenders}
