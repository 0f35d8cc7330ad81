"""A small study and a small bench, as the bench leaves them: rows and kept pictures, made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec.bench import Row, RowStore, picture_name

WIDTH, HEIGHT = 320, 288
IMAGES = ("alps.png", "a street & #1.png")
MACHINE = {"cpu": "Testchip 9000", "flags": ["avx2"], "cores": 2, "slimcodec": "0.1.0"}
PARTS = {
    "encode.encoder": 40.0,
    "encode.prior": 10.0,
    "encode.entropy": 5.0,
    "decode.entropy": 5.0,
    "decode.prior": 10.0,
    "decode.generator": 100.0,
}
STUDY = {
    "name": "small",
    "title": "A small study",
    "columns": ["encoder", "generator"],
    "notes": ["A note of the study."],
    "published": {
        "baseline": {"total_time_s": 100, "ssim": 0.8, "average_bytes": 20000},
        "generator 30 %": {"total_time_s": 95, "ssim": 0.7, "average_bytes": 20000},
    },
    "published_source": "a paper",
    "figure": {"image": "alps.png", "crop": [16, 8, 128, 96]},
}


def make_row(**changes: Any) -> Row:
    """A row of a learned codec, with all the usual metrics, changed as told."""
    row = Row(
        codec="hific-s",
        variant="baseline",
        digest="ab" * 32,
        runtime="torch",
        quality=3.0,
        image=IMAGES[0],
        image_digest="d",
        height=HEIGHT,
        width=WIDTH,
        stream_bytes=12_345,
        model_bytes=18_000_000,
        encode_ms=60.0,
        decode_ms=120.0,
        read_ms=3.0,
        parts_ms=PARTS,
        spread=0.04,
        metrics={"ssim": 0.8, "ms-ssim": 0.94, "psnr": 28.0, "lpips": 0.14, "delta-e": 3.5},
        settings={},
        machine=MACHINE,
    )
    row = replace(row, **changes)
    return replace(row, image_digest=f"digest of {row.image}")


def study_rows() -> list[Row]:
    """Three variants of two images, one of them a peer."""
    rows = []
    for number, image in enumerate(IMAGES):
        extra = 1000 * number
        rows.append(make_row(image=image, stream_bytes=12_000 + extra))
        rows.append(
            make_row(
                image=image,
                variant="generator 30 %",
                stream_bytes=12_000 + extra,
                model_bytes=15_500_000,
                decode_ms=118.0,
                metrics={**make_row().metrics, "ssim": 0.75},
                settings={"generator": 0.3},
            )
        )
        rows.append(
            make_row(
                image=image,
                variant="JPEG, same size",
                codec="jpeg",
                runtime="",
                stream_bytes=11_900 + extra,
                model_bytes=0,
                encode_ms=4.0,
                decode_ms=3.0,
                parts_ms={"encode.encoder": 4.0, "decode.decoder": 3.0},
            )
        )
    return rows


def bench_rows() -> list[Row]:
    """Two codecs at five qualities on two images; the learned one needs 20 % fewer bytes."""
    rows = []
    for image in IMAGES:
        for quality in range(1, 6):
            metrics = {"psnr": 22.0 + 2.5 * quality, "ms-ssim": 1 - 0.2 / 2**quality}
            size = 4000 * 1.6**quality
            common = {"image": image, "quality": float(quality), "metrics": metrics}
            rows.append(make_row(variant="hific-s", stream_bytes=round(0.8 * size), **common))
            rows.append(
                make_row(
                    variant="jpeg",
                    codec="jpeg",
                    runtime="",
                    stream_bytes=round(size),
                    model_bytes=0,
                    encode_ms=4.0,
                    decode_ms=3.0,
                    parts_ms={"encode.encoder": 4.0, "decode.decoder": 3.0},
                    **common,
                )
            )
    return rows


def two_codec_rows() -> list[Row]:
    """A study of a codec with iterations and one without, each as it is and pruned, and a peer."""
    rows = []
    for image in IMAGES:
        for variant, settings in (
            ("RNN", {}),
            ("RNN decoder 30 %", {"decoder": 0.3}),
            ("RNN probability 30 %", {"probability": 0.3}),
        ):
            rows.append(stepped_row(variant, 3, image=image, settings=settings))
        rows.append(make_row(image=image, variant="HiFiC", base="hific"))
        slim = {"variant": "HiFiC generator 30 %", "settings": {"generator": 0.3}}
        rows.append(
            make_row(image=image, base="hific", stream_bytes=11_000, decode_ms=90.0, **slim)
        )
        rows.append(make_row(image=image, variant="jpeg", base="jpeg", model_bytes=0, parts_ms={}))
    return rows


def stepped_row(variant: str, iterations: int, **changes: Any) -> Row:
    """Iteration n takes n times as long as the first; the first needs no decoder to encode."""
    steps = {
        "encode.encoder": [10.0 * n for n in range(1, iterations + 1)],
        "encode.decoder": [0.0, *[5.0 * n for n in range(2, iterations + 1)]],
        "decode.entropy": [1.0 * n for n in range(1, iterations + 1)],
        "decode.decoder": [5.0 * n for n in range(1, iterations + 1)],
    }
    parts = {name: sum(each) for name, each in steps.items()}
    plain = {
        "codec": "toderici-s",
        "base": "toderici",
        "quality": float(iterations),
        "stream_bytes": 6000 * iterations,
        "parts_ms": parts,
        "steps_ms": steps,
        "encode_ms": sum(ms for name, ms in parts.items() if name.startswith("encode.")) + 1,
        "decode_ms": sum(ms for name, ms in parts.items() if name.startswith("decode.")) + 1,
    }
    return make_row(variant=variant, **{**plain, **changes})


def draw(seed: int) -> PIL.Image.Image:
    """Flat on the left, grainy from (160, 96) on to the right and down."""
    pixels = np.full((HEIGHT, WIDTH, 3), 90 + seed, dtype=np.uint8)
    grain = np.random.default_rng(seed).integers(0, 256, (HEIGHT - 96, WIDTH - 160, 3))
    pixels[96:, 160:] = grain
    return PIL.Image.fromarray(pixels)


def fill(folder: Path, rows: list[Row], study: dict[str, Any] | None = None) -> Path:
    """Write rows, pictures and, for a study, its description."""
    store = RowStore(folder / "rows.sqlite")
    for row in rows:
        store.add(row)
        place = folder / "pictures" / Path(row.image).stem
        place.mkdir(parents=True, exist_ok=True)
        draw(0).save(place / "original.png")
        draw(1).save(place / f"{picture_name(row.variant, row.quality)}.png")
    store.close()
    (folder / "rows.tsv").write_text("variant\n")
    if study is not None:
        (folder / "study.json").write_text(json.dumps(study))
    return folder


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    return fill(tmp_path, study_rows(), STUDY)


@pytest.fixture
def bench_folder(tmp_path: Path) -> Path:
    return fill(tmp_path, bench_rows())


@pytest.fixture(name="study_rows")
def _study_rows() -> list[Row]:
    return study_rows()


@pytest.fixture(name="bench_rows")
def _bench_rows() -> list[Row]:
    return bench_rows()


@pytest.fixture(name="two_codec_rows")
def _two_codec_rows() -> list[Row]:
    return two_codec_rows()


@pytest.fixture(name="stepped_row")
def _stepped_row() -> Callable[..., Row]:
    return stepped_row


@pytest.fixture(name="study")
def _study() -> dict[str, Any]:
    return json.loads(json.dumps(STUDY))


@pytest.fixture(name="make_row", scope="session")
def _make_row() -> Callable[..., Row]:
    return make_row


@pytest.fixture(name="fill")
def _fill() -> Callable[..., Path]:
    return fill
