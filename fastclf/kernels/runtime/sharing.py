"""Pieces of one call that several threads take, and waiting for each other without going to sleep.

A thread that sleeps, or waits for Python's lock, takes 0.05 to 0.2 ms to wake up: time in which
small problems are half solved. Here threads wait in a loop, without that lock, and go on at once.
In each turn they yield their processor to any thread that wants it, and after some turns they
sleep.

``turns`` is an array from :func:`new_turns` that the threads of a call share.
"""

import os

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastclf.kernels.runtime import twins
from fastclf.kernels.runtime.jit import inlined, kernel, twin

CAN_WAIT = hasattr(os, "sched_yield")
"""Whether the system has ``sched_yield``; without it threads don't wait for calls in a loop."""

_TAKEN, _DONE, _CAME, _WENT, _OPEN, _OVER = range(0, 48, 8)
"""Places in ``turns``, each in a cache line of its own: pieces that were taken, and that are done;
helpers that came, and that are out of the way again; pieces of the rounds so far, and whether there
are no more rounds.
"""

_BEFORE_HELPING = 30
"""Turns after a call in which the caller gets to work, and lets go of Python's lock."""

_BEFORE_LEAVING = 200
"""Turns after the last piece in which helpers need Python's lock to get out of the way."""


def new_turns() -> np.ndarray:
    """Return the counters of a call."""
    return np.zeros(48, np.int64)


def _pointer(context, builder, kind, array, index):
    return builder.gep(context.make_array(kind)(context, builder, array).data, [index])


@twin(twins.load)
@intrinsic
def _load(typing_context, counters, i):
    # What another thread wrote; a plain load would be moved out of the loop that waits for it.
    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(counters, types.intp), generate


@twin(twins.increase)
@intrinsic
def _increase(typing_context, counters, i):
    # Add 1 and return what it was, with nothing in between.
    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments)
        return builder.atomic_rmw("add", pointer, ir.IntType(64)(1), "seq_cst")

    return types.int64(counters, types.intp), generate


@twin(twins.give_way)
@intrinsic
def _give_way(typing_context):
    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.IntType(32), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])

    return types.int32(), generate


@inlined
def _pause():
    if CAN_WAIT:
        _give_way()


@inlined
def take(turns):
    """Return the number of the next piece, of as many as there are."""
    return _increase(turns, _TAKEN)


@inlined
def done(turns):
    """Tell that a piece is done."""
    _increase(turns, _DONE)


@inlined
def begin(turns, leads):
    """Take part in a call: ``leads`` is True in the caller's own thread."""
    if not leads:
        _increase(turns, _CAME)


@inlined
def finish(turns, leads, pieces):
    """End it: the caller waits until all pieces are done, and its helpers out of its way."""
    if not leads:
        return
    while _load(turns, _DONE) < pieces:
        gone = _load(turns, _WENT) >= _load(turns, _CAME)
        if gone and _load(turns, _DONE) < pieces:  # a helper failed
            return
        _pause()
    for _ in range(_BEFORE_LEAVING):
        if _load(turns, _WENT) >= _load(turns, _CAME):
            break
        _pause()


def shared(work):
    """Return a kernel that does pieces of some work, with other threads that do the same.

    Parameters
    ----------
    work : kernel
        ``work(data, model, start, stop, sums)`` adds up rows start to stop in three arrays.

    Returns
    -------
    kernel
        ``share(data, model, pieces, turns, leads, sums)`` adds up each of the pieces (P, 2) in a
        place of its own, along the first axis of the three arrays.
    """

    @kernel
    def share(data, model, pieces, turns, leads, sums):
        values, first, second = sums
        begin(turns, leads)
        i = take(turns)
        while i < len(pieces):
            own = values[i], first[i], second[i]
            work(data, model, pieces[i, 0], pieces[i, 1], own)
            done(turns)
            i = take(turns)
        finish(turns, leads, len(pieces))

    return share


@inlined
def open_round(turns, pieces):
    """Let helpers take so many more pieces, once all of the rounds before are done."""
    for _ in range(pieces):
        _increase(turns, _OPEN)


@inlined
def is_open(turns, piece):
    """Tell whether a piece belongs to a round that has begun."""
    return piece < _load(turns, _OPEN)


@inlined
def close_round(turns):
    """Wait until all pieces of this round are done; False if a helper failed.

    Until the rounds are over, no other helper leaves.
    """
    while _load(turns, _DONE) < _load(turns, _OPEN):
        if _load(turns, _WENT) > 0:
            return False
        _pause()
    return True


@inlined
def take_open(turns):
    """Return the number of the next piece once its round has begun; -1 after the last round."""
    while _load(turns, _TAKEN) >= _load(turns, _OPEN):
        if _load(turns, _OVER) > 0:
            return -1
        _pause()
    piece = take(turns)
    while piece >= _load(turns, _OPEN):  # another thread was faster
        if _load(turns, _OVER) > 0:
            return -1
        _pause()
    return piece


@inlined
def end_rounds(turns, pieces):
    """Tell that all ``pieces`` of the call are done: not all of them need a round."""
    while _load(turns, _DONE) < pieces:
        _increase(turns, _DONE)


def send_away(turns: np.ndarray) -> None:
    """Have helpers that wait for a round leave, however the caller's part ended."""
    turns[_OVER] = 1


@inlined
def is_complete(turns, pieces):
    """Tell whether all pieces are done."""
    return _load(turns, _DONE) >= pieces


@kernel
def rest(turns, calls, last, patience):
    """Leave a call, and return True at the next: when ``calls[0]`` is beyond the last one's number.

    False if that takes too long: this thread gave way to others so many times.
    """
    _increase(turns, _WENT)
    for _ in range(patience):
        if _load(calls, 0) > last:
            for _ in range(_BEFORE_HELPING):
                _pause()
            return True
        _pause()
    return False


@kernel
def until_gone(turns, helpers, patience):
    """Wait until so many helpers left a call, or until it takes too long."""
    for _ in range(patience):
        if _load(turns, _WENT) >= helpers:
            return
        _pause()
