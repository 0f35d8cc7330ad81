"""The scripts of pages, as far as can be said without a browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import slimcodec.report

TEMPLATES = Path(slimcodec.report.__file__).parent / "templates"
SCRIPTS = sorted(TEMPLATES.glob("*.js"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_are_javascript(script: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    checked = subprocess.run([node, "--check", script], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize("path", [*SCRIPTS, *TEMPLATES.glob("*.css")], ids=lambda path: path.name)
def test_what_is_inlined_holds_nothing_that_a_template_or_a_page_reads(path: Path) -> None:
    text = path.read_text("utf-8")
    for sign in ("{{", "{%", "{#", "</", "<!--", "http:", "https:"):
        assert sign not in text, sign
