"""Every example of the README and the guides runs, page by page, in a folder of small pictures.

A page finds there what its reader has: ``photo.png``, ``photo.jpg``, a folder ``photos`` with a
subfolder and a WebP, ``PHOTOS``, photographs to calibrate on, checkpoints under CompressAI's names,
and a stream that its command line would have written with one of them. What a page makes, its later
blocks find.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import PIL.Image
import pytest
import torch

from slimcodec import registry
from slimcodec.cli import main
from slimcodec.cli.app import VERBS
from tests.compressai_streams import drawn
from tests.docs.pages import PAGES, ROOT, Block, blocks_of
from tests.published_files import compressai_state

RUN = {"sh", "python"}
NOT_RUN = {"", "text", "toml", "html", "csv"}
MOST_NOT_RUN = 9
"""Blocks that no test runs, over all pages."""
SHELL = re.compile(r"[|<>;&$`]")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as a reader of a page has it; the current one."""
    photograph = PIL.Image.open(ROOT / "src/slimcodec/demo/kitten.png").convert("RGB")
    other = PIL.Image.open(ROOT / "src/slimcodec/demo/osprey.png").convert("RGB")
    for folder in ("photos/more", "PHOTOS"):
        (tmp_path / folder).mkdir(parents=True)
    photograph.crop((300, 180, 428, 276)).save(tmp_path / "photo.png")
    photograph.crop((300, 180, 428, 276)).save(tmp_path / "photo.jpg", quality=40)
    photograph.crop((300, 180, 380, 244)).save(tmp_path / "photos/one.png")
    other.crop((300, 180, 380, 244)).save(tmp_path / "photos/two.webp")
    other.crop((200, 100, 280, 164)).save(tmp_path / "photos/more/three.png")
    photograph.crop((200, 100, 392, 260)).save(tmp_path / "PHOTOS/one.png")
    other.crop((200, 100, 392, 260)).save(tmp_path / "PHOTOS/two.png")
    for number, latents in ((3, 12), (4, 14)):
        state = compressai_state("mbt2018-mean", 8, latents, seed=number)
        content = {"epoch": 1, "state_dict": state, "loss": 1.0}
        torch.save(content, tmp_path / f"mbt2018-mean-{number}.pth.tar")
    (tmp_path / "theirs.bin").write_bytes(drawn(tmp_path / "mbt2018-mean-4.pth.tar", 128, 192))
    shims = tmp_path / "bin"
    shims.mkdir()
    for name, words in (("slimcodec", "-m slimcodec "), ("python", "")):
        (shims / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (shims / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(shims), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"), prepend=os.pathsep)
    # Put back behind `--max-pixels`, which is for the whole of a process.
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", PIL.Image.MAX_IMAGE_PIXELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(blocks: list[Block], monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {"__name__": "__example__"}
    for block in blocks:
        if block.marker == "file":
            Path(block.reason).parent.mkdir(parents=True, exist_ok=True)
            Path(block.reason).write_text(block.text, encoding="utf-8")
            if block.reason == "pyproject.toml":
                installed(block.text, monkeypatch)
        elif block.language == "python":
            place = "\n" * (block.line - 1)
            exec(compile(place + block.text, str(block.page), "exec"), names)
        elif block.language == "sh":
            for command in block.commands:
                assert status_of(command, monkeypatch) == 0, f"{block}: {command}"


def installed(pyproject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``pip install -e .`` leaves of a project in the current folder: its entry points."""
    project = tomllib.loads(pyproject)["project"]
    folder = Path(f"{project['name'].replace('-', '_')}-{project['version']}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
        table = getattr(registry, group.removeprefix("slimcodec."))
        monkeypatch.setattr(table, "_entries", dict(table._entries))
        monkeypatch.setattr(table, "_scanned", False)  # it is asked again, as a new process would
    (folder / "entry_points.txt").write_text("\n".join(lines) + "\n")


def status_of(command: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """In this process where nothing but our program is called, for a shell waits for Python.

    A bound of memory is a process's own, and what tests before left of this one is not its verb's.
    A page's reader waits for a ratio that means something; a test need not.
    """
    if command.startswith("slimcodec time "):
        command += " --seconds 5"
    alone = command.startswith("slimcodec ") and "--memory" not in command
    if SHELL.search(command) or not alone:
        return subprocess.run(["bash", "-euc", command], check=False).returncode
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.slow
@each_page
def test_examples_run(page: Path, reader: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run([block for block in blocks_of(page) if block.marker != "no-run"], monkeypatch)


@each_page
def test_every_block_says_what_it_is(page: Path) -> None:
    """A language that is neither run nor known to be none would hide an example."""
    for block in blocks_of(page):
        assert block.language in RUN | NOT_RUN, block
        if block.marker == "file":
            assert block.language in ("toml", "csv", "python", "sh"), block


@each_page
def test_no_command_passes_for_text(page: Path) -> None:
    """A ``text`` block is for what is not there yet."""
    for block in blocks_of(page):
        for words in map(str.split, block.commands if block.language == "text" else ()):
            assert words[0] != "slimcodec" or words[1] not in VERBS or unknown(words), block


def unknown(words: list[str]) -> bool:
    """Whether a command has an option that its verb does not know."""
    text = subprocess.run(
        [sys.executable, "-m", *words[:2], "--help"], capture_output=True, text=True, check=True
    ).stdout
    return not all(word in text for word in words if word.startswith("-"))


def test_few_blocks_are_not_run() -> None:
    not_run = [b for page in PAGES for b in blocks_of(page) if b.marker == "no-run"]
    assert len(not_run) <= MOST_NOT_RUN, [str(block) for block in not_run]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_verbs_and_options_are_there(
    page: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of blocks that are not run, too."""
    helped: dict[str, str] = {}
    for block in blocks_of(page):
        for command in block.commands if block.language == "sh" else ():
            words = shlex.split(command, comments=True)
            if words[0] != "slimcodec" or words[1] == "--version":
                continue
            verb = words[1]
            assert verb in VERBS, f"{block}: {command}"
            if verb not in helped:
                assert status_of(f"slimcodec {verb} --help", monkeypatch) == 0
                helped[verb] = capsys.readouterr().out
            for option in (word for word in words[2:] if re.match(r"--?[a-z]", word)):
                assert re.search(rf"(^|\s){option}[\s,]", helped[verb]), f"{block}: {option}"


# The reader of pages


PAGE = """
# A page
<!-- no-run: as it takes long -->
```sh
one \\
  two   # three
four '#5'
```
````python
print("```")
````
"""


def test_blocks_are_read(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    first, second = blocks_of(page)
    assert (first.language, first.marker, first.reason) == ("sh", "no-run", "as it takes long")
    assert first.commands == ["one    two", "four '#5'"]
    assert (second.line, second.text) == (10, 'print("```")\n')


@pytest.mark.parametrize(
    ("text", "words"),
    [("```sh\nnever closed\n", "not closed"), ("<!-- file: x -->\n\n```sh\na\n```\n", "no fence")],
)
def test_pages_that_are_broken(tmp_path: Path, text: str, words: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=words):
        blocks_of(page)


def test_a_command_that_fails_is_seen(
    reader: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in ("slimcodec encode gone.png", "false | true; false", "echo a > no/such/file"):
        page = tmp_path / "page.md"
        page.write_text(f"```sh\n{text}\n```\n")
        with pytest.raises(AssertionError, match=r"page\.md:2"):
            run(blocks_of(page), monkeypatch)
