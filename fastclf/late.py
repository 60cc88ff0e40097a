"""Public names of a package that are loaded on first use, so that importing it stays quick."""

from collections.abc import Callable, Mapping
from importlib import import_module
from sys import modules
from typing import Any


def loading(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a package that loads its public names on first use.

    Parameters
    ----------
    package : str
        The package's name.
    homes : mapping of str to str
        The module that defines each name. If the name is that of a module in the package, it is
        the module itself.

    Examples
    --------
    >>> from fastclf.late import loading
    >>> load = loading("fastclf", {"errors": "fastclf.errors", "dotted": "fastclf.toml"})
    >>> load("dotted").__module__, load("errors").__name__
    ('fastclf.toml', 'fastclf.errors')
    """

    def load(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(home)
        value = module if home == f"{package}.{name}" else getattr(module, name)
        setattr(modules[package], name, value)
        return value

    return load
