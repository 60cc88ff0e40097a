"""Damages Arrow and Parquet files at random and reads them; a process of its own, for crashes.

``python damaged_columns.py FOLDER START STOP`` prints how many of the seeds are refused. Whatever
else is raised ends it, as a crash does.
"""

import datetime
import random
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc, parquet

from fastclf.data import Stream, read_table, stream_table
from fastclf.errors import DataError

N = 100
TABLE = pa.table(
    {
        "number": np.linspace(0, 1, N),
        "whole": pa.array([None if i % 7 == 0 else i for i in range(N)]),
        "large": pa.array(range(2**60, 2**60 + N), pa.uint64()),
        "text": [None if i % 5 == 0 else f"word {i % 9}" for i in range(N)],
        "coded": pa.array(["abc"[i % 3] for i in range(N)]).dictionary_encode(),
        "flag": [i % 2 == 0 for i in range(N)],
        "moment": [datetime.datetime(2020, 1, 1 + i % 20) for i in range(N)],
        "took": pa.array(range(N), pa.duration("ms")),
        "tags": [["a", "b"][: i % 3] for i in range(N)],
        "exact": pa.array(range(N)).cast(pa.decimal128(25, 2)),
        "nothing": pa.nulls(N),
        "y": ["pq"[i % 2] for i in range(N)],
    }
)
NUMBERS = ["number", "whole", "large", "took", "exact"]


def write(path: Path, stream: bool, compression: str | None) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(TABLE, path, compression=compression or "none", row_group_size=40)
        return
    options = ipc.IpcWriteOptions(compression=compression)
    new = ipc.new_stream if stream else ipc.new_file
    with new(str(path), TABLE.schema, options=options) as writer:
        writer.write_table(TABLE, max_chunksize=40)


def damaged(chance: random.Random, whole: bytes) -> bytes:
    content = bytearray(whole)
    place = chance.randrange(len(content))
    kind = chance.randrange(4)
    if kind == 0:
        content[place] ^= 1 << chance.randrange(8)
    elif kind == 1:
        for _ in range(chance.choice([1, 4, 50])):
            content[chance.randrange(len(content))] = chance.choice([0, 127, 128, 255])
    elif kind == 2:
        del content[place : place + chance.choice([1, 8, len(content)])]
    else:
        content[place:place] = chance.randbytes(chance.choice([1, 8]))
    return bytes(content)


def is_refused(path: Path) -> bool:
    refused = False
    for read in (
        lambda: read_table(path),
        lambda: read_table(path, categorical=NUMBERS),
        lambda: list(stream_table(path, batch_rows=33)),
        lambda: list(Stream(path, "y", columns=NUMBERS).rows_in_order()),
    ):
        try:
            read()
        except DataError as problem:
            refused = True
            assert "\n" not in str(problem), problem
            assert path.name in str(problem) or "there is no column" in str(problem), problem
    return refused


def main(folder: Path, seeds: range) -> int:
    kinds = [
        ("t.arrow", False, None),
        ("t.arrow", False, "lz4"),
        ("t.arrow", True, None),
        ("t.parquet", False, None),
        ("t.parquet", False, "snappy"),
    ]
    contents = []
    for name, stream, compression in kinds:
        write(folder / name, stream, compression)
        assert not is_refused(folder / name)
        contents.append((folder / name).read_bytes())
    count = 0
    for seed in seeds:
        chance = random.Random(seed)
        kind = seed % len(kinds)
        path = folder / kinds[kind][0]
        path.write_bytes(damaged(chance, contents[kind]))
        try:
            count += is_refused(path)
        except BaseException:
            print(f"seed {seed}", file=sys.stderr)
            raise
    return count


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), range(int(sys.argv[2]), int(sys.argv[3]))))
