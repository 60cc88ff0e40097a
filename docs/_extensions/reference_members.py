"""What the pages of classes show: our own methods, and the few inherited ones that users call.

Methods of scikit-learn's metadata routing, of pydantic's models and of named tuples are left out.
Classes that aren't called with the arguments that Python shows have no signature.
"""

from typing import Any

from sphinx.application import Sphinx

INHERITED = {"fit_transform", "get_params", "score", "set_params"}


def _skip(app: Sphinx, what: str, name: str, obj: Any, skip: bool, options: Any) -> bool | None:
    if what == "module":
        return None
    obj = getattr(obj, "fget", getattr(obj, "func", obj))
    module = getattr(obj, "__module__", None) or ""
    if module.startswith("fastclf") or name in INHERITED:
        return None
    return True


def _signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, result: str
) -> tuple[str, str] | None:
    is_protocol = getattr(obj, "_is_protocol", False)
    if is_protocol or what == "exception" or hasattr(obj, "model_fields"):
        return "", ""
    return None


def setup(app: Sphinx) -> dict[str, bool]:
    """Choose members and signatures as autodoc reads them."""
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
