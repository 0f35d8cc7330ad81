"""The description for a package index: the README, with links that work there.

An index shows the README alone, so what a relative link names is not there. Who builds a release
says where the files can be read, and links and pictures lead there:

    SLIMCODEC_FILES=ADDRESS python -m build

Without that, links and pictures become their words, with the name of the file behind: nothing is
broken. All else about the package is in pyproject.toml.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

LINK = re.compile(r"(!?)\[([^\[\]]*)\]\(([^()\s]+)\)")


def relinked(text: str, link: Callable[[str, str, bool], str]) -> str:
    """A page with other links.

    Args:
        text: Markdown.
        link: from the words, the target and whether it is a picture to what stands there instead.
            It is not asked about targets with a scheme, or within the page.
    """

    def replaced(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        if "://" in target or target.startswith("#"):
            return match.group()
        return link(words, target, bool(picture))

    return LINK.sub(replaced, text)


def for_index(readme: str, files: str = "") -> str:
    """The README for a package index.

    Args:
        readme: its text.
        files: the address below which the project's files can be read; none when empty.
    """

    def link(words: str, target: str, picture: bool) -> str:
        if files:
            return f"{'!' * picture}[{words}]({files.rstrip('/')}/{target})"
        name = f"(`{target.partition('#')[0]}`)"
        return f"*{words}* {name}" if picture else f"{words} {name}"

    return relinked(readme, link)


if __name__ == "__main__":
    from setuptools import setup

    here = Path(__file__).parent
    setup(
        long_description=for_index(
            (here / "README.md").read_text(encoding="utf-8"), os.environ.get("SLIMCODEC_FILES", "")
        ),
        long_description_content_type="text/markdown",
    )
