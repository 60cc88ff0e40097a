"""Levels of an instruction set: processors that one compiled kernel serves.

Numba compiles for the very processor that it runs on, and its code serves no other. Code that is
compiled for a level serves each processor that has the level's instructions. The levels x86-64-v3
and v4 are those of the psABI, https://gitlab.com/x86-psABIs/x86-64-ABI, which LLVM knows by these
names, too.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Level(NamedTuple):
    """A level of an instruction set.

    Parameters
    ----------
    name : str
    architecture : str
        As the target triple of LLVM begins.
    processor, options : str
        NUMBA_CPU_NAME and NUMBA_CPU_FEATURES of a process that compiles for it.
    features : frozenset of str
        What a processor must have, by LLVM's names.
    """

    name: str
    architecture: str
    processor: str
    options: str
    features: frozenset[str]

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a process that compiles for the level."""
        return {"NUMBA_CPU_NAME": self.processor, "NUMBA_CPU_FEATURES": self.options}


_V3 = frozenset("avx avx2 bmi bmi2 cx16 f16c fma lzcnt movbe popcnt sse4.2 xsave".split())
_V4 = _V3 | frozenset("avx512f avx512bw avx512cd avx512dq avx512vl".split())

LEVELS = (
    # Of itself LLVM prefers vectors of half the size here.
    Level("x86-64-v4", "x86_64", "x86-64-v4", "-prefer-256-bit", _V4),
    Level("x86-64-v3", "x86_64", "x86-64-v3", "", _V3),
    Level("aarch64", "aarch64", "generic", "+neon", frozenset(["neon"])),
    Level("arm64", "arm64", "generic", "+neon", frozenset(["neon"])),
)
"""All levels, the richest first."""


def by_name(name: str) -> Level:
    """Return a level; KeyError if there is none of this name."""
    return {level.name: level for level in LEVELS}[name]


def served(target: Iterable[str]) -> list[Level]:
    """Return the levels whose kernels can run here, the richest first.

    Parameters
    ----------
    target : tuple of three str
        What Numba compiles for: triple, processor and features, as its ``magic_tuple`` has them.
    """
    triple, processor, features = target
    present = {level.processor: level.features for level in LEVELS}.get(processor, frozenset())
    for word in features.split(","):
        present = present | {word[1:]} if word.startswith("+") else present - {word[1:]}
    return [
        level
        for level in LEVELS
        if triple.startswith(f"{level.architecture}-") and level.features <= present
    ]


def compiled_for(target: Iterable[str]) -> Level | None:
    """Return the level that this process compiles for, or None if it is one processor."""
    triple, processor, features = target
    for level in LEVELS:
        if (processor, features) == (level.processor, level.options):
            if triple.startswith(f"{level.architecture}-"):
                return level
    return None
