"""What CONTRIBUTING promises of the gates is so: commands, hooks, versions, pages."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import PAGES, ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
HOOKS = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DOCUMENTS = [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: page.name)
def test_targets_that_are_named_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = {name for name in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)}
    assert named <= TARGETS


def test_the_two_commands_are_named() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert {"demo", "test"} <= set(re.findall(r"^make ([a-z]+)", readme, re.MULTILINE))


def test_continuous_integration_runs_make_test_alone() -> None:
    lines = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    commands = [line for line in lines if line and not line.startswith("#")]
    assert commands == ["set -eu", 'cd "$(dirname "$0")/.."', "make test"]
    assert "--durations=15" in MAKEFILE


def test_hooks_are_those_of_make_and_come_from_here() -> None:
    assert re.findall(r"repo: (.+)", HOOKS) == ["local"]
    assert set(re.findall(r"language: (.+)", HOOKS)) == {"system"}
    for tool in ("ruff check", "ruff format", "mypy"):
        assert f".venv/bin/{tool}" in HOOKS and f"$(BIN)/{tool}" in MAKEFILE


def test_the_lock_has_a_version_of_everything() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    locked = {canonicalize_name(name) for name in pins}
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["dev"]]
    (own,) = (Requirement(each) for each in extras["dev"] if each.startswith("slimcodec["))
    wanted += [each for extra in own.extras for each in extras[extra]]
    for each in map(Requirement, wanted):
        if each.name != "slimcodec" and (each.marker is None or each.marker.evaluate()):
            assert canonicalize_name(each.name) in locked, "`make lock` was not run"
            version = next(v for n, v in pins.items() if canonicalize_name(n) == each.name.lower())
            assert version in each.specifier, each


@pytest.mark.parametrize("name", ["constraints.txt", ".pre-commit-config.yaml", "pyproject.toml"])
def test_no_host_is_named(name: str) -> None:
    assert "://" not in (ROOT / name).read_text(encoding="utf-8")


def test_the_readme_explains_every_extra() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| extra, .*?\n\n", readme, re.DOTALL)
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row)}
    assert set(PYPROJECT["project"]["optional-dependencies"]) <= named


# The README on a package index


SETUP = runpy.run_path(str(ROOT / "setup.py"))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            "",
            "See how (`docs/x.md`), *a\nb* (`p.png`) and [here](#below) and [there](https://a.b/c).",
        ),
        (
            "https://x.y/z/",
            "See [how](https://x.y/z/docs/x.md#part), ![a\nb](https://x.y/z/p.png) and "
            "[here](#below) and [there](https://a.b/c).",
        ),
    ],
)
def test_links_on_an_index(files: str, expected: str) -> None:
    text = (
        "See [how](docs/x.md#part), ![a\nb](p.png) and [here](#below) and [there](https://a.b/c)."
    )
    assert SETUP["for_index"](text, files) == expected


def test_the_readme_has_nothing_that_an_index_cannot_show() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = SETUP["for_index"](readme)
    for match in SETUP["LINK"].finditer(shown):
        assert match.group(3).startswith(("#", "https://")), match.group()
    for left in re.findall(r"<img|\]\([^)]*\)", re.sub(r"`[^`]*`", "", shown)):
        assert left.startswith("](#"), left


# The site


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("material")
    words = ["build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    subprocess.run([sys.executable, "-m", "mkdocs", *words], cwd=ROOT, check=True)
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert {"index.html", "contributing.html", "guides/shrink.html"} <= {
        page.relative_to(tmp_path / "site").as_posix() for page in pages
    }
    for page in pages:
        loaded = re.findall(
            r'<(?:script|img|iframe)[^>]* src="([^"]+)"|<link[^>]*rel="(?:stylesheet|preload|icon)"'
            r'[^>]* href="([^"]+)"',
            page.read_text(encoding="utf-8"),
        )
        assert loaded, page
        assert not [url for pair in loaded for url in pair if url.startswith(("http", "//"))], page
