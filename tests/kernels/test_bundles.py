"""Bundles: kernels of a level are found by other processes, or else compiled, and never changed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import other_user
import pytest

from fastclf.kernels.runtime import bundles, levels
from tests.kernels.test_jit_cache import copy_of_the_package

V3 = levels.by_name("x86-64-v3")
V4 = levels.by_name("x86-64-v4")
HERE = [level.name for level in levels.served(bundles.target())]

pytestmark = pytest.mark.skipif(V3.name not in HERE, reason="needs x86-64-v3")

SCRIPT = """
import pathlib, sys
import numpy as np
from fastclf.kernels.runtime import bundles, obtained
from fastclf.kernels.linalg import cholesky
from fastclf.kernels.loss import softmax
if sys.argv[1:]: bundles.write_to(pathlib.Path(sys.argv[1]))
z = np.linspace(-3, 3, 40).reshape(8, 5)
softmax.softmax(z, 1.0, 0, 8, z)
cholesky.floor(1.0)  # inlined, and called from Python
found = obtained.so_far()
print(found.bundle, found.cache, found.compiled > 0, z.tobytes().hex())
"""


def run(folder: Path, *arguments: object, **environment: str) -> list[str]:
    """Return variants from the bundle and from the cache, whether any was compiled, and bits."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"} | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder with a copy of the package and a bundle, and the bits of its kernels."""
    folder = tmp_path_factory.mktemp("built")
    copy_of_the_package(folder)
    cache = {"NUMBA_CACHE_DIR": str(folder / "never used")}
    *counts, bits = run(folder, folder / "kernels", **cache, **V3.environment)
    assert counts == ["0", "0", "True"]
    assert not (folder / "never used").exists()
    return folder, bits


@pytest.fixture
def place(built: tuple, tmp_path: Path) -> Path:
    shutil.copytree(built[0], tmp_path / "copy")
    return tmp_path / "copy"


def settings(place: Path, **more: str) -> dict[str, str]:
    return {"FASTCLF_KERNELS": str(place / "kernels"), "NUMBA_CACHE_DIR": str(place / "c")} | more


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_another_process_takes_the_kernels_and_gets_their_bits(place: Path, built: tuple):
    before = content(place / "kernels")
    for more in ({}, V3.environment, {"NUMBA_CPU_NAME": "haswell"}):
        assert run(place, **settings(place, **more)) == ["2", "0", "False", built[1]]
    assert content(place / "kernels") == before
    assert not (place / "c").exists()


def test_a_bundle_in_the_package_serves_without_a_variable(place: Path):
    (place / "kernels").rename(place / "fastclf" / "_compiled")
    environment = {"NUMBA_CACHE_DIR": str(place / "c")}
    assert run(place, **environment)[0] == "2"
    assert run(place, **environment, FASTCLF_KERNELS="")[0] == "0"


def test_nothing_need_be_writable(place: Path):
    (place / "file").write_text("")
    nowhere = str(place / "file" / "cache")
    (place / "fastclf" / "kernels" / "loss" / "__pycache__").write_text("")
    environment = {"NUMBA_CACHE_DIR": nowhere, "HOME": nowhere, "XDG_CACHE_HOME": nowhere}
    assert run(place, **settings(place, **environment))[:3] == ["2", "0", "False"]


@pytest.mark.parametrize(
    "environment",
    [
        {"NUMBA_CPU_NAME": "nehalem", "NUMBA_CPU_FEATURES": "+sse4.2"},
        {"NUMBA_BOUNDSCHECK": "1"},
    ],
    ids=str,
)
def test_other_processors_and_settings_compile(environment: dict[str, str], place: Path):
    assert run(place, **settings(place, **environment))[:3] == ["0", "0", "True"]


@pytest.mark.skipif(V4.name not in HERE, reason="needs x86-64-v4")
def test_the_richest_level_serves(place: Path, built: tuple):
    run(place, place / "kernels", **V4.environment)
    assert len(list((place / "kernels").iterdir())) == 2
    *counts, bits = run(place, **settings(place))
    assert counts == ["2", "0", "False"] and bits != ""
    assert run(place, **settings(place, **V3.environment)) == ["2", "0", "False", built[1]]


@pytest.mark.skipif(V4.name not in HERE, reason="needs x86-64-v4")
def test_a_richer_level_of_another_version_is_passed_over(place: Path, built: tuple):
    richer = place / "kernels" / bundles.name(V4)
    richer.mkdir()
    (richer / "fastclf.kernels.loss.softmax.softmax-0123456789abcdef-0.nbc").write_bytes(b"")
    assert run(place, **settings(place)) == ["2", "0", "False", built[1]]


def test_damaged_kernels_are_compiled_and_the_bundle_is_left_alone(place: Path):
    for path in (place / "kernels").rglob("*.nbc"):
        data = path.read_bytes()
        path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    before = content(place / "kernels")
    assert run(place, **settings(place))[:3] == ["0", "0", "True"]
    assert content(place / "kernels") == before
    assert run(place, **settings(place))[:3] == ["0", "2", "False"]


def test_kernels_of_another_source_are_never_used(place: Path):
    with (place / "fastclf" / "kernels" / "loss" / "sigmoid.py").open("a") as file:
        file.write("\n")
    assert run(place, **settings(place))[:3] == ["0", "0", "True"]


def test_bundles_of_other_versions_are_never_used(place: Path):
    (bundle,) = (place / "kernels").iterdir()
    bundle.rename(bundle.with_name(bundle.name.replace("numba", "numba9.")))
    assert run(place, **settings(place))[:3] == ["0", "0", "True"]


@pytest.mark.parametrize("closed", ["kernels", "kernels/bundle"])
def test_a_folder_that_others_may_not_read_is_no_bundle(closed: str, tmp_path: Path):
    folder = tmp_path / "kernels"
    (folder / bundles.name(V3)).mkdir(parents=True)
    script = "from fastclf.kernels.runtime import bundles; print(bundles.serving())"
    environment = os.environ | V3.environment | {"FASTCLF_KERNELS": str(folder)}
    command = [*other_user.only_reads(), sys.executable, "-c", script]
    other_user.make_read_only(folder)
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert "x86-64-v3" in found.stdout, found.stderr
    path = folder if closed == "kernels" else folder / bundles.name(V3)
    path.chmod(0)
    try:
        found = subprocess.run(command, env=environment, capture_output=True, text=True)
    finally:
        path.chmod(0o700)
    assert (found.stdout, found.stderr) == ("None\n", "")


def test_a_process_that_compiles_for_itself_writes_no_bundle(tmp_path: Path):
    with pytest.raises(RuntimeError, match="compiles for one processor"):
        bundles.write_to(tmp_path)
    assert not bundles.is_written()
