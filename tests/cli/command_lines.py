"""A command line of every verb that writes where it is told to, for tests that walk all verbs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from slimcodec import registry
from slimcodec.images import read_image, write_image
from tests.planes import BitPlanes

MEASURED = ("rows.tsv", "summary.json", "report", "pictures")


class CommandLine(NamedTuple):
    """What a verb is told.

    Attributes:
        words: without the option that names the output.
        option: that one.
        names: of what it writes over in a folder of results while it goes on; none for a verb
            that writes one output.
        mark: by which it knows a folder of its own.
    """

    words: tuple[object, ...]
    option: str = "-o"
    names: tuple[str, ...] = ()
    mark: str = ""


def make_inputs(folder: Path, planes: BitPlanes) -> None:
    """One of every input that ``command_lines`` names."""
    pixels = read_image(Path(__file__).parents[2] / "src/slimcodec/demo/kitten.png").pixels
    (folder / "photos").mkdir()
    for number in range(2):
        write_image(folder / "photos" / f"{number}.png", pixels[:40, number : number + 50])
    (folder / "photo.jpg").write_bytes(registry.codecs.get("jpeg")().encode(pixels[:24, :40], 20))
    (folder / "photo.slc").write_bytes(planes.encode(pixels[:24, :40], 5))
    (folder / "recipe.toml").write_text('[[pass]]\npass = "prune"\ngenerator = 0.3\n')
    (folder / "study.toml").write_text("codec = 'hific-s'\n[[variant]]\nname = 'x'\n")
    (folder / "published.pt").write_bytes(b"weights")
    (folder / "theirs.bin").write_bytes(b"a stream")
    run = Path(__file__).parents[2] / "recipes" / "train-hific-s.toml"
    (folder / "run.toml").write_bytes(run.read_bytes())


def command_lines(place: Path) -> dict[str, CommandLine]:
    """By verb, over the inputs in a folder."""
    photos = place / "photos"
    images, calibration = ("--images", photos), ("--calibration", photos)
    return {
        "encode": CommandLine((photos / "0.png", "--codec", "planes")),
        "decode": CommandLine((place / "photo.slc", "--codec", "planes")),
        "restore": CommandLine((place / "photo.jpg",)),
        "cut": CommandLine((place / "photo.slc", "--iterations", 2)),
        "shrink": CommandLine(("hific-s", "--recipe", place / "recipe.toml")),
        "export": CommandLine(("hific-s", "--runtime", "onnx")),
        "import": CommandLine(("hific", place / "published.pt")),
        "transcode": CommandLine(
            (place / "theirs.bin", "--checkpoint", place / "published.pt")
        ),
        "bench": CommandLine(("jpeg", *images), "--out", MEASURED, "rows.sqlite"),
        "study": CommandLine(
            (place / "study.toml", *images), "--out",
            ("rows.sqlite", "models", *MEASURED), "study.json",
        ),
        "search": CommandLine(
            ("hific-s", *calibration), "-o", ("winner.toml", "learn", "report"), "search.json"
        ),
        "sensitivity": CommandLine(
            ("hific-s", *calibration), "-o", ("bits.toml", "index.html"), "rows.jsonl"
        ),
        "train": CommandLine(
            (place / "run.toml", *images), "--out", ("hific-s.slim", "hific-s.md"), "state.ckpt"
        ),
        "demo": CommandLine((), "--out", ("anything",), ".slimcodec-demo"),
    }  # fmt: skip


LINES = command_lines(Path())
ONE_OUTPUT = [name for name, line in LINES.items() if not line.names]
RESULTS = [name for name, line in LINES.items() if line.names]
"""Verbs that write one output, and those that fill a folder of results."""
