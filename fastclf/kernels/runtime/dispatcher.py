"""A kernel: a Python function that is compiled for the types of its arguments."""

from functools import cached_property
from typing import Any

from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher

from fastclf.kernels.runtime import linking, obtained
from fastclf.kernels.runtime.cache import KernelCache
from fastclf.kernels.runtime.source import description


class Kernel(CPUDispatcher):
    """Numba's dispatcher, with the package's cache and way of linking.

    A kernel that is compiled without an entry from Python can be called from Python all the same:
    it is compiled once more then, with an entry.

    Parameters
    ----------
    py_func, locals, targetoptions, pipeline_class
        As Numba has them.
    """

    def __init__(
        self, py_func, locals=None, targetoptions=None, pipeline_class=linking.KernelCompiler
    ):
        super().__init__(py_func, locals or {}, targetoptions, pipeline_class)  # {} for Numba 0.61
        self.is_inlined = self.targetoptions.get("forceinline", False)
        self.has_entry = not self.targetoptions.get("no_cpython_wrapper", False)
        self._twin: Kernel | None = None
        self._entries: set[tuple] = set()  # types of arguments for which the twin's entry is used
        self._cache = KernelCache(self)
        linking.register(self)

    @cached_property
    def description(self) -> str:
        """What tells the function apart, alike in every process."""
        return description(self.py_func)

    def compile(self, sig: Any) -> Any:
        """Load or compile the kernel for the types of arguments; return its entry."""
        with obtained.timed():
            return super().compile(sig)

    def add_overload(self, code: Any) -> None:
        """Take what was compiled or loaded for a tuple of types."""
        if self.has_entry:
            super().add_overload(code)
        else:
            self.overloads[tuple(code.signature.args)] = code
        if not self.is_inlined:
            linking.keep_apart(self, code)

    @global_compiler_lock
    def _compile_for_args(self, *args: Any, **kws: Any) -> Any:
        # Numba asks for an entry that it doesn't have.
        if self.has_entry:
            return super()._compile_for_args(*args, **kws)
        if self._twin is None:
            options = self.targetoptions | {"no_cpython_wrapper": False}
            self._twin = Kernel(self.py_func, self.locals, options)
        entry = self._twin._compile_for_args(*args, **kws)
        types = tuple(map(self.typeof_pyval, args))
        if types not in self._entries:  # two threads may ask at once; twice the same is ambiguous
            self._entries.add(types)
            self._insert([one._code for one in types], entry, False)
        return entry
