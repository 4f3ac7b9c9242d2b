"""How the pages become a site: `make site`. They read as well where they lie."""

project = "lockgate"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinxcontrib.mermaid"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]
suppress_warnings = [
    "myst.xref_missing"
]  # of what lies beside this folder; a test follows all links
html_theme = "alabaster"
autodoc_member_order = "bysource"
autodoc_typehints = "description"
