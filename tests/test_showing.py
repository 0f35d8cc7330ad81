"""What things say of themselves: one short line each, and small tables that are escaped."""

from __future__ import annotations

import html.parser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import slimcodec
from slimcodec import registry
from slimcodec.bench import (
    Candidate,
    CodecReference,
    Row,
    RowStore,
    SameSize,
    Study,
    summarise,
)
from slimcodec.bench.study import Variant
from slimcodec.codecs.peers.jpeg import Jpeg
from slimcodec.images import ReadImage
from slimcodec.library import export_model
from slimcodec.model_file import Model
from slimcodec.runtime import open_codec
from slimcodec.showing import html_table, line
from slimcodec.shrink import Prune, Recipe
from slimcodec.target_size import Fitted
from slimcodec.types import Codec

LONG = "a name that <b>goes</b> on " * 30


def row(**changes: Any) -> Row:
    values: dict[str, Any] = {
        "codec": "hific-s", "variant": LONG, "digest": "ab" * 32, "runtime": "onnx",
        "quality": 3.0, "image": "photo.png", "image_digest": "d", "height": 512, "width": 768,
        "stream_bytes": 12_345, "model_bytes": 15_000_000, "encode_ms": 60.0, "decode_ms": 120.0,
        "read_ms": 3.0, "parts_ms": {f"encode.{n}": 1.0 for n in "abcdef"}, "spread": 0.04,
        "metrics": {"psnr": 28.0, "ssim": 0.8},
    }  # fmt: skip
    return Row(**{**values, **changes})


@pytest.fixture(scope="module")
def things(
    tiny_models: dict[str, Model], tiny_codec: Codec, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, object]]:
    """One of every public class that has instances, and of what else people meet, with long
    names."""
    model = replace(tiny_models["hific"], name=LONG)
    recipe = Recipe([Prune({"generator": 0.3, "encoder": 0.2})] * 9, LONG)
    rows = [row(), row(quality=5.0)]
    summary = summarise(rows)
    folder = tmp_path_factory.mktemp("shown")
    store = RowStore(folder / "rows.sqlite")
    yield {
        "BenchResults": slimcodec.BenchResults(folder, rows, summary, None),
        "Candidate": Candidate(CodecReference(LONG, "onnx"), (1.0, 2.0), LONG),
        "CodecReference": CodecReference(LONG, "onnx", CodecReference(LONG)),
        "Codec": tiny_codec,
        "recurrent codec": open_codec(tiny_models["toderici"]),
        "peer": Jpeg(),
        "same size": SameSize(Jpeg(), tiny_codec),
        "Fitted": Fitted(bytes(10_000), 2.5),
        "Model": model,
        "Bundle": export_model(tiny_models["hific"], folder / "bundle", "onnx"),
        "Prune": Prune({"generator": 0.3}),
        "Recipe": recipe,
        "ReportPage": slimcodec.ReportPage(folder / "a <b> & c" / "index.html"),
        "Row": rows[0],
        "RowStore": store,
        "Study": Study(LONG, LONG, "hific-s", (Variant(LONG, recipe),) * 40),
        "variant": Variant(LONG, recipe),
        "summary": summary,
        "point": summary.points[0],
        "image": ReadImage(np.zeros((512, 768, 3), np.uint8), (LONG, LONG)),
    }
    store.close()


def test_one_short_line_each(things: dict[str, object]) -> None:
    classes = {
        name
        for name in slimcodec.__all__
        if isinstance(getattr(slimcodec, name), type)
        and not issubclass(getattr(slimcodec, name), Exception)
    }
    assert classes <= set(things)
    for name, thing in things.items():
        shown = repr(thing)
        assert len(shown) <= 200 and "\n" not in shown, name
        assert " object at 0x" not in shown, name


def test_lines_say_what_it_is(things: dict[str, Any], tiny_model: Model) -> None:
    assert repr(tiny_model).startswith("<Model tiny, family hific, ")
    assert tiny_model.digest[:12] in repr(tiny_model)
    assert things["Codec"].digest[:12] in repr(things["Codec"])
    assert "qualities 1 to 5" in repr(things["Codec"])
    assert "for onnx" in repr(things["Bundle"])
    assert repr(Recipe([Prune({"generator": 0.3})], "mine")) == "<Recipe mine, prune>"
    assert repr(things["image"]).startswith("<ReadImage 768x512, a name")


class Reader(html.parser.HTMLParser):
    """Tags and texts of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("name", ["Model", "Recipe", "summary"])
def test_tables_for_notebooks_are_escaped(name: str, things: dict[str, Any]) -> None:
    reader = Reader()
    reader.feed(things[name]._repr_html_())
    assert reader.tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert any("<b>goes</b>" in text for text in reader.texts)


def test_a_page_is_framed_and_linked_from_where_the_notebook_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = slimcodec.ReportPage(tmp_path / 'a "b" & #c' / "index.html")._repr_html_()
    assert shown.count('="a%20%22b%22%20%26%20%23c/index.html"') == 2
    reader = Reader()
    reader.feed(shown)
    assert reader.tags == {"iframe", "p", "a"}


def test_a_models_table_has_its_manifest(tiny_model: Model) -> None:
    shown = tiny_model._repr_html_()
    for value in (tiny_model.name, tiny_model.family, tiny_model.stream_id, tiny_model.digest):
        assert value in shown
    assert all(part in shown for part in registry.families.get("hific").parts)


def test_empty_facts_are_left_out() -> None:
    assert line(3, "three", "", "odd") == "<int three, odd>"
    assert html_table("t", [("a", 1)]).count("<th>") == 1
    assert html_table("t", [("a", 1)], ("x", "y")).count("<th>") == 2
