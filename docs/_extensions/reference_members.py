"""What the pages of the API reference show of classes and functions.

- Methods: our own, and the few inherited ones that users call. Those of scikit-learn's metadata
  routing, of pydantic's models and of named tuples are left out.
- Signatures: none for classes that aren't called with the arguments that Python shows.
- Parameters that a docstring describes by "As for X." are replaced by the descriptions of X.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

from numpydoc.docscrape import NumpyDocString, Parameter
from sphinx.application import Sphinx

INHERITED = {"fit_transform", "get_params", "score", "set_params"}
AS_FOR = re.compile(r"As for (?::\w+:)?`([\w.]+)`\.")


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    if what == "module":
        return None
    obj = getattr(obj, "fget", getattr(obj, "func", obj))
    module = getattr(obj, "__module__", None) or ""
    return None if module.startswith("fastclf") or name in INHERITED else True


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, result: str
) -> tuple[str, str] | None:
    is_protocol = getattr(obj, "_is_protocol", False)
    if is_protocol or what == "exception" or hasattr(obj, "model_fields"):
        return "", ""
    return None


def _expanded(entries: Iterable[Parameter], section: str, module: str) -> Iterator[Parameter]:
    for entry in entries:
        match = AS_FOR.fullmatch(" ".join(entry.desc))
        if match is None:
            yield entry
            continue
        path, _, name = match[1].rpartition(".")
        source = getattr(import_module(path) if path else sys.modules[module], name)
        doc = NumpyDocString(inspect.getdoc(source) or "")
        wanted = entry.name.split(", ")
        for other in _expanded(doc[section], section, source.__module__):
            names = [name for name in other.name.split(", ") if name in wanted]
            if names:
                yield other._replace(name=", ".join(names))
                wanted = [name for name in wanted if name not in names]
        if wanted:
            yield entry._replace(name=", ".join(wanted))


def _describe(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if not any("As for " in line for line in lines):
        return
    for section in ("Parameters", "Attributes"):
        titles = [i for i in range(len(lines) - 1) if re.fullmatch("-{3,}", lines[i + 1])]
        start = next((i for i in titles if lines[i] == section), None)
        if start is not None:
            stop = next((i for i in titles if i > start), len(lines))
            entries = NumpyDocString("\n".join(lines[start:stop]))[section]
            text = []
            for entry in _expanded(entries, section, obj.__module__):
                text.append(f"{entry.name} : {entry.type}" if entry.type else entry.name)
                text += [f"    {line}" for line in entry.desc]
            lines[start + 2 : stop] = [*text, ""]


def _home(app: Sphinx, module: str, attribute: str) -> str | None:
    # Inherited methods have no link to their source, which would lead back to only one of the pages
    # that show them: they are looked for in the module of the class.
    kind, _, method = attribute.partition(".")
    value = getattr(import_module(module), kind, None)
    return value.__module__ if inspect.isfunction(getattr(value, method or " ", None)) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Choose members, signatures and descriptions as autodoc reads them."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-process-docstring", _describe, priority=400)  # before numpydoc
    app.connect("viewcode-follow-imported", _home)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
