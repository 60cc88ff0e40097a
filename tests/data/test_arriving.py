"""A pipe that is read as it arrives: what comes is returned, and nothing is lost."""

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from fastclf.data.arriving import Arriving, as_it_comes
from fastclf.data.encodings import Decoded
from fastclf.data.pieces import in_order, line_pieces


@pytest.fixture
def pipe() -> Iterator[tuple[Arriving, BinaryIO]]:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as reading, os.fdopen(into, "wb", buffering=0) as writing:
        yield Arriving(reading), writing


def test_reads_return_what_has_come(pipe):
    file, writing = pipe
    writing.write(b"one")
    assert file.read(100) == b"one"
    writing.write(b"two and three")
    assert file.read(3) == b"two"
    assert file.read(100) == b" and three"
    file.put_back(b"four")
    assert file.read(2) == b"fo"
    writing.write(b" five")
    assert file.read(100) == b"ur five"
    writing.write(b"six")
    writing.close()
    assert file.read() == b"six"
    assert file.read(100) == b""


def test_plentiful_bytes_come_in_large_blocks(pipe):
    file, writing = pipe
    sent = os.urandom(1 << 20)

    def send() -> None:
        writing.write(sent)
        writing.close()

    thread = threading.Thread(target=send)
    thread.start()
    blocks = []
    while block := file.read(1 << 22):
        blocks.append(block)
    thread.join()
    assert b"".join(blocks) == sent
    assert len(blocks) < 16  # a read of a pipe returns 64 kB


def test_pieces_end_where_the_rows_pause(pipe):
    file, writing = pipe
    pieces = line_pieces(Decoded(file), 1 << 22, arrives=True)
    writing.write(b'1,2\n3,"x\n')
    assert [next(pieces), next(pieces)] == [b"1,2\n", b""]
    writing.write(b'y"\n4')
    assert [next(pieces), next(pieces)] == [b'3,"x\ny"\n', b""]
    writing.write(b",5")
    assert next(pieces) == b""
    writing.close()
    assert list(pieces) == [b"4,5"]


@pytest.mark.parametrize("n_threads", [1, 2])
def test_results_are_yielded_before_the_next_item_is_waited_for(n_threads: int):
    asked = []

    def items() -> Iterator[int | None]:
        for item in (1, None, -2, None, -3):
            asked.append(item)
            yield item

    found = in_order(abs, items(), n_threads)
    assert next(found) == 1
    assert -2 not in asked
    assert list(found) == [2, 3]


def test_only_files_of_the_operating_system_arrive(tmp_path: Path):
    memory = io.BytesIO(b"1")
    assert as_it_comes(memory) is memory
    (tmp_path / "a").write_bytes(b"12")
    with open(tmp_path / "a", "rb") as file:
        assert as_it_comes(file).read(2) == b"12"
    with open(tmp_path / "a", "rb", buffering=0) as raw:
        assert as_it_comes(raw) is raw
