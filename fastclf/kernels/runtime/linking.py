"""Compiled kernels that call each other without being copied into each other.

Numba copies the code of a callee into each caller, and optimises it again there: a loss that is
called by a pass that is called by a step is optimised three times. Here a kernel is optimised once.
Its callers name it by a symbol, which the linker resolves.

* Symbols are alike in every process. Numba numbers functions in the order of their compilation;
  here the number is made from the source.
* Code that comes from the cache needs its callees, so the cache stores which they are, and
  :func:`load` gets them first. Where one isn't what the code was compiled with, the code is
  compiled again.
"""

import hashlib
from collections import defaultdict
from typing import Any, NamedTuple
from weakref import WeakSet

from llvmlite import binding as llvm
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.untyped_passes import TranslateByteCode

from fastclf.kernels.runtime.source import description, package_stamp


class Callee(NamedTuple):
    """A kernel that compiled code calls."""

    module: str
    name: str
    description: str
    types: tuple  # of the arguments
    symbol: str


_kernels: defaultdict[tuple[str, str], WeakSet] = defaultdict(WeakSet)
_by_symbol: dict[str, Callee] = {}


def register(kernel: Any) -> None:
    """Let :func:`load` find a kernel."""
    _kernels[kernel.py_func.__module__, kernel.py_func.__qualname__].add(kernel)


def keep_apart(kernel: Any, code: Any) -> None:
    """Let callers that are compiled from now on call this code instead of copying it."""
    function, types = kernel.py_func, tuple(code.signature.args)
    symbol = code.fndesc.llvm_func_name
    _by_symbol[symbol] = Callee(
        function.__module__, function.__qualname__, kernel.description, types, symbol
    )
    code.library._shared_module = llvm.parse_assembly("")


def callees(code: Any) -> list[Callee]:
    """Return the kernels that code calls which this process has compiled."""
    declared = (f.name for f in code.library._final_module.functions if f.is_declaration)
    return [_by_symbol[name] for name in declared if name in _by_symbol]


def load(callee: Callee) -> bool:
    """Load or compile a callee; return whether it is the one that was stored."""
    for kernel in _kernels[callee.module, callee.name]:
        if not kernel.is_inlined and kernel.description == callee.description:
            kernel.compile(callee.types)
            if kernel.overloads[callee.types].fndesc.llvm_func_name == callee.symbol:
                return True
    return False


def declare_entry(target_context: Any, names: Any) -> None:
    """Let Numba find the entry from Python in code that it is about to load.

    It looks only for functions that callers can copy, and :func:`keep_apart` has left none.
    """
    target_context.codegen()._engine._defined_symbols.add(names.llvm_cpython_wrapper_name)


@register_pass(mutates_CFG=False, analysis_only=True)
class _NameBySource(FunctionPass):
    _name = "fastclf_name_by_source"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        identity = state.func_id
        text = package_stamp() + description(identity.func)
        identity.unique_id = int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)
        identity.unique_name = f"{identity.func_qualname}${identity.unique_id}"
        return False


class KernelCompiler(CompilerBase):
    """Numba's passes, and before them one that names the function by its source."""

    def define_pipelines(self) -> list:
        """Return the passes."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_NameBySource, TranslateByteCode)
        passes.finalize()
        return [passes]
