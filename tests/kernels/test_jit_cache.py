"""The compilation cache: keyed by the whole package, and never a reason to fail."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

import fastclf
from fastclf.kernels.runtime import cache as _cache
from fastclf.kernels.runtime import dispatcher as _dispatcher
from fastclf.kernels.runtime import jit as _jit
from fastclf.kernels.runtime import linking as _linking
from fastclf.kernels.runtime import source as _source

PACKAGE = Path(fastclf.__file__).parent
FILES = sorted(
    path.relative_to(PACKAGE / "kernels").as_posix() for path in (PACKAGE / "kernels").rglob("*.py")
)

SCRIPT = """
import numpy as np
from fastclf.kernels.loss import sigmoid
out = np.empty(1)
sigmoid.sigmoid(np.zeros(1), 0, 1, out)
stats = sigmoid.sigmoid.stats
print(out[0], sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


CLOSURE = """
import numpy as np
from fastclf.kernels.loss import columns, sigmoid
curvatures = columns.curvatures_of(sigmoid.binary_cross_entropy)
out = np.empty(1)
curvatures(np.zeros(1), np.ones(1), (), out)
stats = curvatures.stats
print(round(out[0], 3), sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def copy_of_the_package(folder: Path) -> Path:
    (folder / "fastclf").mkdir()
    for name in ("__init__.py", "late.py"):
        shutil.copy(PACKAGE / name, folder / "fastclf")
    shutil.copytree(
        PACKAGE / "kernels",
        folder / "fastclf" / "kernels",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return folder / "fastclf" / "kernels"


def run(folder: Path, script: str = SCRIPT, **environment: str) -> list[float]:
    """Return a number, cache hits and cache misses of a fresh process; sigmoid(0) by default."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


def test_an_edit_in_another_file_is_never_answered_by_old_code(tmp_path):
    kernels = copy_of_the_package(tmp_path)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(tmp_path, **cache) == [0.5, 0, 1]
    assert run(tmp_path, **cache) == [0.5, 1, 0]
    primitives = kernels / "runtime" / "primitives.py"
    text = primitives.read_text()
    last_step = "    p = p + 1.0\n"  # of exp in float64, which sigmoid calls
    assert text.count(last_step) == 1
    stat = primitives.stat()
    primitives.write_text(text.replace(last_step, "    p = p + 3.0\n"))
    os.utime(primitives, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert run(tmp_path, **cache) == [0.25, 0, 1]
    primitives.write_text(text)
    assert run(tmp_path, **cache)[0] == 0.5


def test_a_kernel_that_closes_over_a_function_is_found_again(tmp_path):
    kernels = copy_of_the_package(tmp_path)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(tmp_path, CLOSURE, **cache) == [0.25, 0, 1]
    assert run(tmp_path, CLOSURE, **cache) == [0.25, 1, 0]
    columns = kernels / "loss" / "columns.py"
    text = columns.read_text()
    assert text.count("one = z.dtype.type(1)") == 1
    columns.write_text(text.replace("z.dtype.type(1)", "z.dtype.type(0)"))
    assert run(tmp_path, CLOSURE, **cache) == [0, 0, 1]


@pytest.mark.parametrize("locators", ["UserProvidedCacheLocator", "InTreeCacheLocator"])
def test_the_stamp_holds_for_locators_that_the_environment_names(locators, tmp_path):
    kernels = copy_of_the_package(tmp_path)
    environment = {
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "NUMBA_CACHE_LOCATOR_CLASSES": locators,
    }
    assert run(tmp_path, **environment) == [0.5, 0, 1]
    primitives = kernels / "runtime" / "primitives.py"
    last_step = "    p = p + 1.0\n"
    primitives.write_text(primitives.read_text().replace(last_step, "    p = p + 3.0\n"))
    assert run(tmp_path, **environment) == [0.25, 0, 1]
    assert run(tmp_path, **environment) == [0.25, 1, 0]


def test_where_no_directory_can_be_written_kernels_are_compiled_without_a_cache(tmp_path):
    kernels = copy_of_the_package(tmp_path)
    in_the_way = tmp_path / "file"  # a file where a directory is wanted stops the superuser, too
    in_the_way.write_text("")
    (kernels / "loss" / "__pycache__").write_text("")
    nowhere = str(in_the_way / "cache")
    environment = {"NUMBA_CACHE_DIR": nowhere, "HOME": nowhere, "XDG_CACHE_HOME": nowhere}
    for _ in range(2):
        assert run(tmp_path, **environment) == [0.5, 0, 1]


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_the_package_is_in_the_stamp(name, tmp_path):
    kernels = copy_of_the_package(tmp_path)
    stamp = _source.package_stamp.__wrapped__
    before = stamp(kernels)
    assert before == _source.package_stamp()
    path = kernels / name
    text = path.read_text()
    path.write_text(text + "\n")
    assert stamp(kernels) != before
    path.write_text(text)
    assert stamp(kernels) == before
    path.rename(path.with_name(f"other_{path.name}"))
    assert stamp(kernels) != before


# In this process, with kernels of our own


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def double(x):
    return 2 * x


def compiled():
    """Return the dispatcher of a new process: it has compiled nothing and loaded nothing."""
    return _jit.kernel(double)


def cache_hits(dispatcher) -> int:
    return sum(dispatcher.stats.cache_hits.values())


def test_a_new_dispatcher_loads_what_another_has_compiled(cache_folder):
    assert compiled()(4.0) == 8
    again = compiled()
    assert again(4.0) == 8 and cache_hits(again) == 1


def test_variants_have_files_of_their_own(cache_folder):
    for value in (4.0, 4):
        assert compiled()(value) == 8
    assert len({path.name for path in cache_folder.rglob("*.nbc")}) == 2


def test_files_of_an_earlier_version_are_removed(cache_folder, monkeypatch):
    dispatcher, other = compiled(), _jit.kernel(once)
    assert dispatcher(4.0) == 8 and other(4.0) == 5
    before = set(cache_folder.rglob("*.nbc"))
    monkeypatch.setattr(_cache, "package_stamp", lambda: "another version")
    assert compiled()(4.0) == 8
    after = set(cache_folder.rglob("*.nbc"))
    assert len(after) == len(before) == 2 and len(after & before) == 1  # that of the other kernel


def with_digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest() + data


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


DAMAGES = {
    "empty": lambda content: b"",
    "truncated": truncate,
    "zeros": lambda content: bytes(len(content)),
    "text": lambda content: b"<html>disk quota exceeded</html>",
    "another object": lambda content: b"N.",
    "a missing module": lambda content: b"cnowhere\nthing\n.",
    "a missing name": lambda content: b"cnumba\nno_such_thing\n.",
    "last bytes lost": lambda content: content[:-3],
    "first bytes lost": lambda content: content[7:],
    "one bit changed": lambda content: content[:-99] + bytes([content[-99] ^ 1]) + content[-98:],
    "whole, but of another class": lambda content: with_digest(b"cnumba\nno_such_thing\n."),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_cache_is_compiled_over(damage, cache_folder):
    assert compiled()(4.0) == 8
    files = list(cache_folder.rglob("*.nbc"))
    assert files
    for path in files:
        path.write_bytes(damage(path.read_bytes()))
    assert compiled()(4.0) == 8
    repaired = compiled()
    assert repaired(4.0) == 8 and cache_hits(repaired) == 1


def test_a_cache_that_vanishes_is_made_again(cache_folder):
    dispatcher = compiled()
    assert dispatcher(4) == 8
    shutil.rmtree(cache_folder)
    assert dispatcher(4.0) == 8
    again = compiled()
    assert again(4.0) == 8 and cache_hits(again) == 1


def test_a_cache_that_can_no_longer_be_written_is_left_alone(cache_folder):
    dispatcher = compiled()
    assert dispatcher(4 + 0j) == 8
    shutil.rmtree(cache_folder)
    cache_folder.write_text("in the way")
    assert dispatcher(4.0) == 8
    assert dispatcher(4) == 8


def make_power(exponent):
    @_jit.kernel
    def power(x):
        return x**exponent

    return power


def test_closures_over_different_integers_are_told_apart(cache_folder):
    for hits in (0, 1):
        square, cube = make_power(2), make_power(3)
        assert (square(3.0), cube(3.0)) == (9, 27)
        assert cache_hits(square) == cache_hits(cube) == hits


def test_the_policy(cache_folder):
    options = compiled().targetoptions
    assert options["nogil"] and options["error_model"] == "numpy"
    assert not options.get("parallel")
    for flags in (_jit.CONTRACT, _jit.REDUCTIONS, options["fastmath"]):
        assert not {"nnan", "ninf", "fast", "arcp"} & set(flags)
    assert np.isnan(compiled()(np.nan))


def once(x):
    return x + 1


def twice(x):
    return x + 2


def make_caller(function):
    @_jit.kernel
    def call(x):
        return 10 * function(x)

    return call


def test_closures_over_different_functions_are_told_apart(cache_folder):
    for hits in (0, 1):  # the second time with new dispatchers, as in another process
        one, other = (make_caller(_jit.primitive(function)) for function in (once, twice))
        assert (one(3.0), other(3.0)) == (40, 50)
        assert cache_hits(one) == cache_hits(other) == hits


def test_closures_are_told_apart_at_any_depth(cache_folder):
    for hits in (0, 1):
        square, cube = (make_caller(make_power(exponent)) for exponent in (2, 3))
        assert (square(3.0), cube(3.0)) == (90, 270)
        assert cache_hits(square) == cache_hits(cube) == hits


def function_of(code, path, **names):
    path.write_text(code)
    scope = {"__name__": "elsewhere", **names}
    exec(compile(code, str(path), "exec"), scope)
    return scope["function"]


def test_a_function_from_elsewhere_is_described_by_its_file(tmp_path):
    one, other, same = (
        _source.description(function_of(f"def function(x):\n    return {factor} * x\n", path))
        for factor, path in ((1.0, tmp_path / "a"), (2.0, tmp_path / "b"), (1.0, tmp_path / "c"))
    )
    assert one != other and one == same


def test_a_function_from_elsewhere_is_described_by_the_numbers_it_names(tmp_path):
    code, path = "def function(x):\n    return FACTOR * x\n", tmp_path / "own.py"
    one, other, same = (
        _source.description(function_of(code, path, FACTOR=factor)) for factor in (1.0, 2.0, 1.0)
    )
    assert one != other and one == same


def test_a_function_without_a_file_is_described_by_its_code():
    found = []
    for value in (1.0, 2.0, 1.0):
        scope = {"__name__": "__main__"}
        exec(compile(f"def function(x):\n    return {value} * x\n", "<cell>", "exec"), scope)
        found.append(_source.description(scope["function"]))
    assert found[0] != found[1] and found[0] == found[2]


def test_functions_that_name_each_other_have_a_description():
    assert _source.description(even) != _source.description(odd)


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


# Kernels that call kernels


def make_chain(constant=1.0):
    """Return new dispatchers, as in another process: ``outer`` calls ``middle`` calls ``inner``."""

    @_jit.routine
    def inner(x):
        return x + constant

    @_jit.inlined
    def middle(x):
        return 2 * inner(x)

    @_jit.kernel
    def outer(x):
        return 10 * middle(x)

    return outer, inner


def test_a_loaded_kernel_loads_those_that_it_calls(cache_folder):
    for hits in (0, 1):
        outer, inner = make_chain()
        assert outer(3.0) == 80
        assert cache_hits(outer) == cache_hits(inner) == hits


def test_a_callee_that_is_lost_is_compiled_again(cache_folder):
    assert make_chain()[0](3.0) == 80
    for path in cache_folder.rglob("*inner*"):
        path.unlink()
    outer, inner = make_chain()
    assert outer(3.0) == 80
    assert cache_hits(outer) == 1 and cache_hits(inner) == 0


def test_callers_of_different_closures_are_told_apart(cache_folder):
    for _ in range(2):
        one, other = make_chain(1.0)[0], make_chain(2.0)[0]
        assert (one(3.0), other(3.0)) == (80, 100)


def test_a_caller_whose_callee_is_another_is_compiled_again(cache_folder, monkeypatch):
    assert make_chain()[0](3.0) == 80
    monkeypatch.setattr(_linking, "load", lambda callee: False)
    outer, _ = make_chain()
    assert outer(3.0) == 80
    assert cache_hits(outer) == 0


def test_symbols_are_alike_in_every_process(tmp_path):
    copy_of_the_package(tmp_path)
    script = """
import numpy as np
from fastclf.kernels.loss import sigmoid, softmax
out = np.empty((1, 1))
if {first}: softmax.softmax(np.zeros((1, 1)), 1.0, 0, 1, out)
sigmoid.sigmoid(np.zeros(1), 0, 1, out[0])
(code,) = sigmoid.sigmoid.overloads.values()
print(int.from_bytes(code.fndesc.llvm_func_name.encode()) % 1_000_003)
"""
    found = []
    for first in (True, False):
        environment = {"NUMBA_CACHE_DIR": str(tmp_path / f"cache {first}")}
        found.append(run(tmp_path, script.format(first=first), **environment))
    assert found[0] == found[1]


@pytest.mark.parametrize("decorator", [_jit.routine, _jit.inlined, _jit.primitive])
def test_kernels_without_an_entry_can_be_called(decorator, cache_folder):
    for hits in (0, 2):
        function = decorator(double)
        assert function(4.0) == 8 and function(4.0) == 8 and function(4) == 8
        assert function._twin is not None and cache_hits(function._twin) == hits


def test_threads_that_ask_at_once_get_one_entry(cache_folder, monkeypatch):
    function = _jit.inlined(double)
    for _ in range(2):  # as of two threads that found none
        assert function._compile_for_args(4.0)(4.0) == 8
    monkeypatch.setattr(_dispatcher.Kernel, "_compile_for_args", None)
    assert function(4.0) == 8


@pytest.mark.parametrize("decorator", [_jit.routine, _jit.kernel])
def test_a_kernel_is_no_part_of_its_callers(decorator, cache_folder):
    callee = decorator(double)
    caller = _jit.kernel(lambda x: callee(x) + 1)
    assert caller(4.0) == 9
    (code,) = caller.overloads.values()
    (inner,) = callee.overloads.values()
    assert [one.symbol for one in _linking.callees(code)] == [inner.fndesc.llvm_func_name]


def test_where_nothing_is_stored_kernels_call_each_other_too(monkeypatch):
    monkeypatch.setattr(_cache.KernelCache, "cache_path", None)
    outer, inner = make_chain()
    assert outer(3.0) == 80
    (code,) = outer.overloads.values()
    assert [one.name.rpartition(".")[2] for one in _linking.callees(code)] == ["inner"]
