"""Which levels of the instruction set a processor has, from what Numba targets."""

import pytest

from fastclf.kernels.runtime import levels

X86 = "x86_64-unknown-linux-gnu"
V3 = "+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.2,+xsave"
V4 = V3 + ",+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ((X86, "znver4", V4), ["x86-64-v4", "x86-64-v3"]),
        ((X86, "znver4", V4 + ",-prefer-256-bit,+other"), ["x86-64-v4", "x86-64-v3"]),
        ((X86, "haswell", V3), ["x86-64-v3"]),
        ((X86, "haswell", V4.replace("+avx512vl", "-avx512vl")), ["x86-64-v3"]),
        ((X86, "nehalem", V3.replace("+fma", "-fma")), []),
        ((X86, "generic", ""), []),
        ((X86, "x86-64-v4", ""), ["x86-64-v4", "x86-64-v3"]),
        ((X86, "x86-64-v3", ""), ["x86-64-v3"]),
        ((X86, "x86-64-v3", "-avx2"), []),
        (("aarch64-unknown-linux-gnu", "neoverse-n1", "+neon,+crc"), ["aarch64"]),
        (("arm64-apple-darwin23", "apple-m1", "+neon"), ["arm64"]),
        (("i686-pc-windows-msvc", "x86-64-v3", V3), []),
    ],
)
def test_levels_that_run(target: tuple, expected: list[str]):
    assert [level.name for level in levels.served(target)] == expected


@pytest.mark.parametrize("level", levels.LEVELS, ids=lambda level: level.name)
def test_a_process_that_compiles_for_a_level_knows_it_and_can_run_it(level: levels.Level):
    environment = level.environment
    target = (
        f"{level.architecture}-some-system",
        environment["NUMBA_CPU_NAME"],
        environment["NUMBA_CPU_FEATURES"],
    )
    assert levels.compiled_for(target) == level
    assert level in levels.served(target)
    assert levels.by_name(level.name) is level


@pytest.mark.parametrize(
    "target", [(X86, "znver4", V4), (X86, "x86-64-v4", ""), ("aarch64-linux", "x86-64-v3", "")]
)
def test_other_processes_compile_for_one_processor(target: tuple):
    assert levels.compiled_for(target) is None
