"""The site: Sphinx reads these pages, the docstrings and the scripts of the gallery."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

from sphinx_gallery.sorting import ExplicitOrder

import fastclf

project = "fastclf"
author = "the fastclf developers"
copyright = author
version = release = fastclf.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.graphviz",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "recipe_reference",
    "reference_members",
    "repository_links",
]
root_doc = "index"
exclude_patterns = ["_build", "gallery"]
templates_path = ["_templates"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
suppress_warnings = ["config.cache"]  # the order of the gallery is a function
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
smartquotes = False  # of docstrings: "auto" and --quiet stay as they are written

default_role = "py:obj"  # of docstrings; names that it can't find are code without a link
autosummary_generate = True
autodoc_typehints = "none"  # numpydoc shows the types that a docstring names
numpydoc_show_class_members = False  # the template of a class lists its methods
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = "hide"

graphviz_output_format = "svg"

GALLERY = {
    "models": ["decision_regions", "digits"],
    "probabilities": ["temperature", "calibration", "class_weights"],
    "targets": ["votes", "distillation", "label_smoothing", "thresholds"],
    "penalty": ["l1_path", "choosing_c"],
    "solvers": ["learning_curves", "scaling", "schedules", "early_stopping"],
    "data": ["frame", "text", "stream", "partial_fit"],
}
sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,
    "min_reported_time": 60,  # seconds of the building machine tell readers nothing
    "backreferences_dir": "reference/backreferences",
    "doc_module": ("fastclf",),
    "reset_modules": ("matplotlib", "gallery_style.prepare"),
    "reset_modules_order": "both",
    "image_srcset": ["2x"],
    "subsection_order": [f"gallery/{name}" for name in GALLERY],
    "within_subsection_order": ExplicitOrder(
        [f"plot_{script}.py" for scripts in GALLERY.values() for script in scripts]
    ),
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "fastclf"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_sidebars = {  # pages without others beside them
    page: [] for page in ("start", "scikit-learn", "theory", "policies", "security", "changelog")
}
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
