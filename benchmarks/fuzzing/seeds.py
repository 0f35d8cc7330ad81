"""Sound inputs to begin with: small models, their streams and bundles, and files of settings.

The models are those of ``tests/golden``, a dozen channels each, and what recipes make of them, so
that a stream is decoded in milliseconds.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import asdict, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
from PIL import Image

from slimcodec import library, registry
from slimcodec.bench import Row, RowStore, rows_to_tsv
from slimcodec.codecs import tiles
from slimcodec.explore.sensitivity_rows import Row as SensitivityRow
from slimcodec.explore.sensitivity_rows import Setup, Subject
from slimcodec.model_file import load, save
from slimcodec.shrink import Context, Recipe
from slimcodec.stream import attach, pack, unpack

__all__ = ["BASE", "MODELS", "PICTURE", "ROOT", "make_seeds"]

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SHIPPED = ROOT / "src" / "slimcodec"
"""Where the recipes and studies are that users name."""
MODELS = ("tiny.slim", "tiny-rnn.slim", "tiny-rnn-lapped.slim")
BASE = "tiny.slim"
"""What the model file that holds a generator alone builds on."""
PICTURE = (24, 40)
SIZES = ((1, 1), (16, 16), (17, 23), (48, 33), PICTURE)
TILED = ((40, 200), (150, 140))
"""Two and four of the smallest tiles that a stream may have, which are these positions a side."""
TILE = 8
BESIDE = {"exif": b"Exif\0\0MM\0*", "icc": bytes(40), "xmp": b"<x:xmpmeta/>", "alpha": b"\x89PNG"}


def drawn(height: int, width: int) -> np.ndarray:
    """A picture with slopes, an edge and noise, uint8 [height, width, 3]."""
    rng = np.random.default_rng([height, width])
    rows, columns = np.mgrid[:height, :width]
    grey = 60 + 2.5 * rows + 1.5 * columns + 60 * (columns > rows)
    noisy = grey[..., None] + rng.normal(0, 6, (height, width, 3))
    picture: np.ndarray = np.clip(noisy, 0, 255).astype(np.uint8)
    return picture


def make_seeds(folder: Path, kind: str) -> None:
    """Everything of one kind into a folder of its own; models beside, which most kinds need."""
    for name in MODELS:
        (folder / name).write_bytes((GOLDEN / name).read_bytes())
    own = folder / kind
    own.mkdir()
    _MAKERS[kind](folder, own)


def _streams(folder: Path, own: Path) -> None:
    for name in MODELS:
        codec = library.load_codec(folder / name)
        for number, size in enumerate(SIZES):
            quality = codec.qualities[number % len(codec.qualities)]
            stream = codec.encode(drawn(*size), quality)
            (own / f"{name}-{number}").write_bytes(stream)
            if not number and unpack(stream).progressive:
                plain = pack(replace(unpack(stream), progressive=False))
                (own / f"{name}-{number}-plain").write_bytes(plain)
        (own / f"{name}-beside").write_bytes(attach(codec.encode(drawn(*SIZES[1])), BESIDE))
        with patch.multiple(tiles, TILE=TILE, WHOLE=0):
            for number, size in enumerate(TILED):
                stream = codec.encode(drawn(*size), codec.qualities[0])
                (own / f"{name}-tiled-{number}").write_bytes(stream)
            both = attach(stream, {"exif": BESIDE["exif"]})
            (own / f"{name}-tiled-beside").write_bytes(both)


def _models(folder: Path, own: Path) -> None:
    photographs = own / "photographs"
    photographs.mkdir()
    for number in range(2):
        Image.fromarray(drawn(128, 128 + number)).save(photographs / f"{number}.png")
    context = Context(photographs)
    quantize: dict[str, object] = {
        "pass": "quantize",
        "rounding": "nearest",
        "bias_correction": False,
    }
    recipes: dict[str, dict[str, object]] = {
        "int8": {"weights": 8, "activations": 8},
        "placed": {"weights": 3, "levels": "placed"},
    }
    for name in MODELS:
        model = load(folder / name)
        (own / name).write_bytes((folder / name).read_bytes())
        parts = registry.families.get(model.family).parts
        for label, settings in recipes.items():
            # What coding runs in integers takes no tables.
            only = [part for part in parts if label != "placed" or part != "probability"]
            step = {**quantize, **settings, "only": only}
            recipe = Recipe.from_dict({"name": label, "pass": [step]})
            save(library.shrink_model(model, recipe, context), own / f"{label}-{name}")
    tone = {key: value.copy() for key, value in load(folder / BASE).weights.items()}
    tone["generator.out.bias"] = tone["generator.out.bias"] + np.float32(0.25)
    second = replace(load(folder / BASE), name="second", look="natural", weights=tone)
    save(second, folder / "second.slim", base=folder / BASE)
    (own / "second.slim").write_bytes((folder / "second.slim").read_bytes())
    for path in photographs.iterdir():
        path.unlink()
    photographs.rmdir()


def _bundles(folder: Path, own: Path) -> None:
    _models(folder, own)
    for path in sorted(own.iterdir()):
        if path.name.startswith(("tiny", "int8")):
            library.export_model(load(path), own / path.stem, "onnx")
    for path in own.glob("*.slim"):
        path.unlink()


def _settings(folder: Path, own: Path, sources: list[Path]) -> None:
    for path in sources:
        (own / path.name).write_bytes(path.read_bytes())


def _recipes(folder: Path, own: Path) -> None:
    _settings(folder, own, list((SHIPPED / "recipes").glob("*.toml")))


def _studies(folder: Path, own: Path) -> None:
    _settings(folder, own, list((SHIPPED / "studies").glob("*.toml")))


def _trainings(folder: Path, own: Path) -> None:
    _settings(folder, own, list((ROOT / "recipes").glob("train*.toml")))


def _checkpoints(folder: Path, own: Path) -> None:
    import torch

    rng = np.random.default_rng(0)

    def made(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(0, 0.1, shape).astype(np.float32))

    parts = {
        "encoder": OrderedDict({"conv.weight": made(4, 3, 3, 3)}),
        "binarizer": OrderedDict({"conv.weight": made(8, 12, 1, 1)}),
        "decoder": OrderedDict(
            {"conv1.weight": made(8, 8, 1, 1), "conv2.weight": made(3, 2, 1, 1)}
        ),
    }
    shapes = (("encoder", 4, (4, 8, 12), (1, 1, 1)), ("decoder", 8, (8, 12, 4, 8), (1, 1, 3, 3)))
    for part, width, widths, kernels in shapes:
        for number, (wide, kernel) in enumerate(zip(widths, kernels, strict=True), 1):
            parts[part][f"rnn{number}.conv_ih.weight"] = made(4 * wide, width, 3, 3)
            parts[part][f"rnn{number}.conv_hh.weight"] = made(4 * wide, wide, kernel, kernel)
            width = wide if part == "encoder" else wide // 4
    whole = own / "toderici"
    whole.mkdir()
    for number, (part, state) in enumerate(parts.items()):
        torch.save(state, whole / f"{number}-{part}.pth")
    (own / "hific").mkdir()
    tensors = {"Encoder.conv_block1.1.weight": made(8, 3, 3, 3), "Discriminator.x": made(2)}
    content = {"model_state_dict": tensors, "args": {"likelihood_type": "gaussian"}}
    torch.save(content, own / "hific" / "model.pt")


def _rows(folder: Path, own: Path) -> None:
    (own / "bench").mkdir()
    store = RowStore(own / "bench" / "rows.sqlite")
    for quality in (1.0, 2.0):
        for variant in ("a", "b"):
            for image in ("one.png", "two.png"):
                store.add(_row(variant, quality, image))
    rows_to_tsv(list(store), own / "bench" / "rows.tsv")
    store.close()
    (own / "sensitivity").mkdir()
    layer = Subject("conv", "layer", "encoder", 100, 1.0)
    subjects = (layer, Subject("g", "group", "encoder", 9, 1.0))
    setup = Setup("tiny", "0" * 64, "hific", (1.0, 2.0), {"0a": "one.png"}, 960, subjects)
    rows = [
        SensitivityRow("0a", "unshrunk", "", 0.0, (0.5, 0.7), (0.2, 0.1)),
        SensitivityRow("0a", "bits", "conv", 4.0, (0.6, 0.8), (0.2, 0.1), 50.0, 0.0),
        SensitivityRow("0a", "channels", "g", 0.5, (0.6, 0.8), (0.3, 0.2), 4.0, 0.5),
    ]
    lines = [setup.to_line(), *(json.dumps(asdict(row)) + "\n" for row in rows)]
    (own / "sensitivity" / "rows.jsonl").write_text("".join(lines), encoding="utf-8")


def _row(variant: str, quality: float, image: str) -> Row:
    return Row(
        codec="tiny", variant=variant, digest="0" * 64, runtime="onnx", quality=quality,
        image=image, image_digest=f"{image}-digest", height=24, width=40,
        stream_bytes=int(100 * quality), model_bytes=180639, encode_ms=1.5, decode_ms=2.5,
        read_ms=0.5, parts_ms={"encode.encoder": 1.0, "decode.generator": 2.0}, spread=0.1,
        metrics={"psnr": 28.0 + quality, "ssim": 0.8}, settings={"generator": 0.3},
        machine={"cpu": "any", "cores": 2}, steps_ms={"decode.generator": [1.0, 1.0]},
    )  # fmt: skip


_MAKERS = {
    "streams": _streams,
    "models": _models,
    "bundles": _bundles,
    "recipes": _recipes,
    "studies": _studies,
    "trainings": _trainings,
    "checkpoints": _checkpoints,
    "rows": _rows,
}
