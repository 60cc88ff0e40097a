"""Files are replaced in one step, under names that no two processes share."""

import errno
import os
import stat
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fastclf.errors import ModelFileError, RunError
from fastclf.files import replacing, writing_output
from fastclf.linear_model import LinearModel
from fastclf.runs.files import open_in_place, write_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writers_of_one_file_do_not_meet(tmp_path: Path):
    path = tmp_path / "out.csv"
    with replacing(path) as first, replacing(path) as second:
        first.write(b"first")
        second.write(b"2")
        first.write(b", whole")
    assert path.read_bytes() == b"first, whole"  # its block ended last
    assert names(tmp_path) == ["out.csv"]


@pytest.mark.parametrize("write", [replacing, writing_output])
def test_a_failure_leaves_what_was_there(write, tmp_path: Path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), write(path) as file:
        file.write(b"new")
        _ = 1 / 0
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out.csv"]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch):
    path = tmp_path / "out"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="out: can't be written: No space left.*; make room there"):
        write_file(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_permissions_are_those_of_any_new_file_or_of_the_old_one(tmp_path: Path):
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0o027)
    try:
        for name in ("new", "model.safetensors"):
            with replacing(tmp_path / name):
                pass
            assert mode(tmp_path / name) == 0o640
        (tmp_path / "new").chmod(0o600)
        with replacing(tmp_path / "new"):
            pass
        assert mode(tmp_path / "new") == 0o600
    finally:
        os.umask(before)


def test_the_longest_name_that_a_system_takes(tmp_path: Path):
    write_file(tmp_path / ("é" * 127), "x")
    assert names(tmp_path) == ["é" * 127]
    with pytest.raises(RunError, match="File name too long"):
        write_file(tmp_path / ("x" * 300), "x")
    with pytest.raises(RunError, match="Is a directory"):
        write_file(tmp_path, "x")


def test_links_are_replaced_in_run_directories_and_followed_by_output(tmp_path: Path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with writing_output(link) as file:
        file.write(b"new")
    assert link.is_symlink() and target.read_text() == "new"
    with replacing(link) as file:
        file.write(b"own")
    assert not link.is_symlink() and target.read_text() == "new"
    (tmp_path / "dangling").symlink_to(tmp_path / "made")
    with writing_output(tmp_path / "dangling") as file:
        file.write(b"new")
    assert (tmp_path / "made").read_text() == "new"


def test_pipes_and_devices_are_written_as_they_are(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with writing_output(pipe) as file:
        file.write(b"new")
    reader.join()
    assert read == [b"new"] and stat.S_ISFIFO(pipe.stat().st_mode)
    with writing_output(Path(os.devnull)) as file:
        file.write(b"new")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    with pytest.raises(OSError, match="No space left"), writing_output(Path("/dev/full")) as file:
        file.write(b"new")


def test_standard_output_by_another_name_is_not_replaced(tmp_path: Path, monkeypatch):
    log = tmp_path / "log"
    log.write_text("before\n")
    with open(log, "a") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        with writing_output(log) as file:
            file.write(b"new\n")
    assert log.read_text() == "before\nnew\n"


@pytest.mark.parametrize("make", ["symlink_to", "hardlink_to"])
def test_a_file_that_is_written_in_place_is_no_link(make: str, tmp_path: Path):
    target = tmp_path / "precious"
    target.write_text("old")
    getattr(tmp_path / "metrics.jsonl", make)(target)
    with pytest.raises(RunError, match="metrics.jsonl: is a link.*would change another file"):
        open_in_place(tmp_path / "metrics.jsonl")
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(RunError, match="not a regular file"):
        open_in_place(tmp_path / ".lock")
    assert target.read_text() == "old"


def test_text_is_utf_8_whatever_it_holds(tmp_path: Path):
    write_file(tmp_path / "a", "é\udcff")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa9\\udcff"


def test_models_are_replaced_so_too(tmp_path: Path):
    model = LinearModel(theta=np.zeros((2, 1)), task="binary", classes=np.array([0, 1]))
    model.save(tmp_path / "model")
    with pytest.raises(ModelFileError, match="can't be written: Is a directory"):
        model.save(tmp_path)
    assert names(tmp_path) == ["model"]
