"""Text in pieces of whole lines, which several threads work on, in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import BinaryIO, TypeVar

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


def line_pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    r"""Yield a file in pieces of about ``size`` bytes that end where a row of CSV ends.

    An end of a line between quotes is none of a row: an odd number of quotes comes before it.

    Examples
    --------
    >>> import io
    >>> from fastclf.data.pieces import line_pieces
    >>> list(line_pieces(io.BytesIO(b'a,b\n1,"x\ny"\n2,z\n'), 6))
    [b'a,b\n1,"x\ny"\n', b'2,z\n']
    """
    while piece := file.read(size):
        lines = [piece, file.readline()]
        open_quote = sum(line.count(b'"') for line in lines) % 2
        while open_quote and (line := file.readline()):
            lines.append(line)
            open_quote ^= line.count(b'"') % 2
        yield b"".join(lines)


def in_order(
    work: Callable[[ItemT], ResultT], items: Iterable[ItemT], n_threads: int
) -> Iterator[ResultT]:
    """Yield ``work(item)`` for each item, in order; a few are worked on ahead, on threads.

    What is raised by an item is raised when its turn comes, and those after it are dropped.

    Examples
    --------
    >>> from fastclf.data.pieces import in_order
    >>> list(in_order(abs, [1, -2, -3], 2))
    [1, 2, 3]
    """
    if n_threads < 2:
        yield from map(work, items)
        return
    waiting: deque[Future[ResultT]] = deque()
    with ThreadPoolExecutor(n_threads) as pool:
        try:
            for item in items:
                try:
                    waiting.append(pool.submit(work, item))
                except RuntimeError:  # no thread can be started
                    while waiting:
                        yield waiting.popleft().result()
                    yield work(item)
                if len(waiting) > n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
