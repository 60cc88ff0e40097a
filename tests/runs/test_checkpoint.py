"""Checkpoint files: whole or noticed, kept or removed; and the lock of a run directory."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastclf.errors import RunError
from fastclf.runs.checkpoint import Checkpoint, Checkpoints
from fastclf.runs.files import write_file
from fastclf.runs.interrupt import deferred_interrupt
from fastclf.runs.lock import LOCK, locked


def checkpoint(score: float = 1.0) -> Checkpoint:
    return Checkpoint({"a": np.arange(5.0), "b": np.eye(2, dtype=np.float32)}, {"x": 1}, score, {})


def read(folder: Path) -> tuple[list[float], list[str]]:
    """Return the scores of what is whole, and what is said of the rest."""
    said: list[str] = []
    return [found.score for found in Checkpoints(folder, 2).latest(said.append)], said


def test_what_is_written_is_read(tmp_path: Path):
    original = Checkpoint(
        {"a": np.array([0.1, np.inf, np.nan]), "empty": np.empty((0, 3), np.float32)},
        {"x": [None, 0.1, float("inf"), True, "é"]},
        float("inf"),
        {"warnings": ["one"]},
    )
    Checkpoints(tmp_path / "folder", 2).write(original)
    (found,) = Checkpoints(tmp_path / "folder", 2).latest(lambda what: pytest.fail(what))
    assert (found.tree, found.score, found.notes) == (
        original.tree,
        original.score,
        original.notes,
    )
    assert found.arrays.keys() == original.arrays.keys()
    for name, array in original.arrays.items():
        np.testing.assert_array_equal(found.arrays[name], array)
        assert found.arrays[name].dtype == array.dtype


def test_the_last_and_the_best_are_kept(tmp_path: Path):
    for score in (5.0, 1.0, 4.0):
        Checkpoints(tmp_path, 2).write(checkpoint(score))  # as if each were of another process
    checkpoints = Checkpoints(tmp_path, 2)
    for score in (3.0, 2.0):
        checkpoints.write(checkpoint(score))
    assert checkpoints.numbers() == [2, 4, 5]
    assert read(tmp_path) == ([2.0, 3.0, 1.0], [])
    checkpoints.write(checkpoint(0.5))
    assert checkpoints.numbers() == [5, 6]
    assert len(list(tmp_path.iterdir())) == 4


@given(which=st.integers(0, 1), position=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_is_noticed(
    which: int, position: int, value: int, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("changed")
    checkpoints = Checkpoints(folder, 2)
    checkpoints.write(checkpoint(2.0))
    checkpoints.write(checkpoint(1.0))
    path = folder / ("00000002.json", "00000002.safetensors")[which]
    content = bytearray(path.read_bytes())
    position %= len(content)
    if chr(content[position]).isspace() or content[position] == value:
        return  # spaces between the parts of JSON tell nothing
    content[position] = value
    path.write_bytes(content)
    scores, said = read(folder)
    assert scores == [2.0]
    assert len(said) == 1 and "00000002.json" in said[0]


@pytest.mark.parametrize("name", ["00000002.json", "00000002.safetensors"])
def test_a_truncated_file_is_noticed(name: str, tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.write(checkpoint(2.0))
    checkpoints.write(checkpoint(1.0))
    content = (tmp_path / name).read_bytes()
    for length in range(0, len(content) - 1, 5):
        (tmp_path / name).write_bytes(content[:length])
        scores, said = read(tmp_path)
        assert scores == [2.0] and len(said) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"content": 1, "sha256": 2}', "[" * 100_000, '{"content": NaN}']
)
def test_a_file_that_is_no_checkpoint(text: str, tmp_path: Path):
    (tmp_path / "00000001.json").write_text(text)
    (tmp_path / "00000001.safetensors").write_bytes((2**62).to_bytes(8, "little"))
    scores, said = read(tmp_path)
    assert scores == [] and len(said) == 1


def test_what_a_crash_leaves_is_passed_over_and_removed(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.write(checkpoint(2.0))
    (tmp_path / "00000002.safetensors").write_bytes(b"its JSON was never written")
    (tmp_path / ".00000002.json.partial").write_text("{")
    (tmp_path / "notes.txt").write_text("not ours")
    assert read(tmp_path) == ([2.0], [])
    checkpoints.write(checkpoint(3.0))
    assert {path.name for path in tmp_path.iterdir()} == {
        *("00000001.json", "00000001.safetensors", "00000003.json", "00000003.safetensors"),
        "notes.txt",
    }


def test_damaged_ones_do_not_count_as_the_last(tmp_path: Path):
    checkpoints = Checkpoints(tmp_path, 2)
    for score in (3.0, 2.0):
        checkpoints.write(checkpoint(score))
    (tmp_path / "00000002.json").write_text("{")
    again = Checkpoints(tmp_path, 2)
    assert next(again.latest(lambda what: None)).score == 3.0
    again.write(checkpoint(4.0))
    assert again.numbers() == [1, 3]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_disk_that_is_full_leaves_what_was_there(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    checkpoints = Checkpoints(tmp_path, 2)
    checkpoints.write(checkpoint(2.0))
    names = sorted(path.name for path in tmp_path.iterdir())

    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(f"os.{fails}", fail)
        with pytest.raises(RunError, match="00000002.safetensors: can't be written: No space left"):
            checkpoints.write(checkpoint(1.0))
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert read(tmp_path) == ([2.0], [])


def test_files_are_replaced_whole_and_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    calls: list[str] = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda descriptor: (calls.append("fsync"), sync(descriptor)))
    monkeypatch.setattr("os.replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_file(tmp_path / "a", "old")
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_text() == "new"
    assert calls == ["fsync", "replace", "fsync"] * 2  # the file, its name, the folder


def test_a_lock_is_held_by_one(tmp_path: Path):
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
        with (
            pytest.raises(RunError, match=f"{tmp_path}: in use by process {os.getpid()}"),
            locked(tmp_path),
        ):
            pass
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()


def test_a_lock_ends_with_its_process_however_that_ends(tmp_path: Path):
    program = (
        "import sys, time; from pathlib import Path; from fastclf.runs.lock import locked\n"
        f"with locked(Path({str(tmp_path)!r})): print('locked', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=f"in use by process {process.pid}"), locked(tmp_path):
            pass
        process.kill()
        process.wait()
    assert (tmp_path / LOCK).exists()
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_a_file_that_a_crash_left_locks_nothing(tmp_path: Path):
    (tmp_path / LOCK).write_text(f"{os.getppid()}\n")  # a number that another process has by now
    with locked(tmp_path):
        pass


def test_one_of_many_gets_the_lock(tmp_path: Path):
    inside, most, held, mutex = 0, 0, 0, threading.Lock()

    def work() -> None:
        nonlocal inside, most, held
        for _ in range(50):
            try:
                with locked(tmp_path):
                    with mutex:
                        inside, held = inside + 1, held + 1
                        most = max(most, inside)
                    time.sleep(1e-4)
                    with mutex:
                        inside -= 1
            except RunError:
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1 and held > 0


@pytest.fixture
def ctrl_c_interrupts():
    """As at a terminal; a shell's jobs in the background ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c_interrupts")
def test_ctrl_c_waits_if_it_can():
    with deferred_interrupt() as interrupt:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not interrupt.requested
        interrupt.can_wait = True
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_left_alone_where_it_means_something_else():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupt() as interrupt:
            interrupt.can_wait = True
            signal.raise_signal(signal.SIGINT)
            assert not interrupt.requested
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    seen: list[bool] = []

    def elsewhere() -> None:
        with deferred_interrupt():
            seen.append(signal.getsignal(signal.SIGINT) is before)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [True]
