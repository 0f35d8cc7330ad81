"""Pages of real streams, opened in a browser. Without a browser these tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from slimcodec import registry
from slimcodec.bench import Row, RowStore, picture_name
from slimcodec.library import load_codec
from slimcodec.report import build_report
from slimcodec.types import Codec

HEIGHT, WIDTH = 288, 416
PICTURES = ("alps.png", "a street & #1.png")
LADDERS = {"tiny": (1, 2, 3, 4), "jpeg": (10, 30, 50, 80), "webp": (5, 30, 60, 80)}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium: the system's, or the one that SLIMCODEC_BROWSER names."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    asked = os.environ.get("SLIMCODEC_BROWSER")
    path = asked or next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as running:
        found = running.chromium.launch(executable_path=path, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture(scope="session")
def bench_page(
    tmp_path_factory: pytest.TempPathFactory,
    tiny_codec: Codec,
    picture: Callable[..., Any],
    make_row: Callable[..., Row],
) -> Path:
    """The page of two pictures under a tiny learned codec, JPEG and WebP: real streams."""
    folder = tmp_path_factory.mktemp("bench")
    codecs = {"tiny": tiny_codec, "jpeg": load_codec("jpeg"), "webp": load_codec("webp")}
    metrics = [registry.metrics.get(name)() for name in ("psnr", "ms-ssim", "delta-e")]
    store = RowStore(folder / "rows.sqlite")
    for seed, name in enumerate(PICTURES):
        original = picture(HEIGHT, WIDTH, seed)
        place = folder / "pictures" / Path(name).stem
        place.mkdir(parents=True)
        PIL.Image.fromarray(original).save(place / "original.png")
        for variant, codec in codecs.items():
            for quality in LADDERS[variant]:
                stream = codec.encode(original, quality)
                decoded = codec.decode(stream)
                PIL.Image.fromarray(decoded).save(place / f"{picture_name(variant, quality)}.png")
                row = make_row(
                    codec=variant, variant=variant, base=variant, quality=float(quality),
                    image=name, height=HEIGHT, width=WIDTH, stream_bytes=len(stream),
                    model_bytes=codec.model_bytes,
                    metrics={metric.name: metric(original, decoded) for metric in metrics},
                )  # fmt: skip
                store.add(row)
    store.close()
    return build_report(folder)


@pytest.fixture
def open_page(browser: Any, bench_page: Path) -> Iterator[Callable[..., Any]]:
    """``open_page(hash="", path=None, **context)``: a page, which must not complain of anything."""
    contexts, complaints = [], []

    def opened(hash: str = "", path: Path | None = None, **settings: Any) -> Any:
        settings = {"viewport": {"width": 1280, "height": 900}, **settings}
        context = browser.new_context(**settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: _note_request(asked.url, complaints))
        page.goto((path or bench_page).as_uri() + hash)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _note_request(url: str, complaints: list[str]) -> None:
    """Only the page itself and what stands in it."""
    if not url.startswith(("data:", "blob:")) and not url.partition("#")[0].endswith("/index.html"):
        complaints.append(f"asked for {url}")


@pytest.fixture(scope="session")
def kept_picture(bench_page: Path) -> Callable[..., np.ndarray]:
    """``kept_picture(name, image)``: pixels of a kept picture, ``uint8 [h, w, 3]``."""

    def read(name: str, image: str) -> np.ndarray:
        folder = bench_page.parents[1] / "pictures" / Path(image).stem
        return np.asarray(PIL.Image.open(folder / f"{name}.png").convert("RGB"))

    return read
