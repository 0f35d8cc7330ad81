"""What mkdocs is told beside mkdocs.yml: pages that are files of the project, and links to them.

The README is the site's first page, CONTRIBUTING and CHANGELOG are pages of it, without a second
copy of any. A link to a file that is no page becomes its words.
"""

from __future__ import annotations

import posixpath
import runpy
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Files of the project to pages of the site."""
HEADS = {"index.md": "---\nhide: [navigation]\n---\n"}
"""What stands above a page's text: the first has no neighbours to lead to."""

relinked = runpy.run_path(str(ROOT / "setup.py"))["relinked"]


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that lie elsewhere."""
    for source, page in PAGES.items():
        text = _for_site((ROOT / source).read_text(encoding="utf-8"), source, page)
        files.append(File.generated(config, page, content=HEADS.get(page, "") + text))
    return files


def on_page_markdown(markdown: str, page: Any, **told: Any) -> str:
    """Links of the pages in docs/ lead to pages too."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return _for_site(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def _for_site(text: str, source: str, page: str) -> str:
    """The text of a file of the project, linked as a page of the site."""

    def link(words: str, target: str, picture: bool) -> str:
        name, mark, place = target.partition("#")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), name))
        inside = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else "")
        if not inside:
            return f"{words} (`{path}`)"
        relative = posixpath.relpath(inside, posixpath.dirname(page) or ".")
        return f"{'!' * picture}[{words}]({relative}{mark}{place})"

    return str(relinked(text, link))
