"""The page: one file that is whole, linked to what is there, and to nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from slimcodec.bench import Row, RowStore
from slimcodec.errors import MissingExtraError, SlimcodecError
from slimcodec.report import build_report, study_tables

VOID = {"meta", "link", "img", "br", "path", "circle"}


class Reader(HTMLParser):
    """Links, ids, elements without their text alternatives, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [v for k, v in attrs if k in ("href", "src") and v is not None]
        self.ids += [v for k, v in attrs if k == "id" and v is not None]
        if tag == "img" and "alt" not in found:
            self.wrong.append("img without alt")
        if found.get("role") == "img" and not found.get("aria-label"):
            self.wrong.append(f"{tag} without a label")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"unbalanced </{tag}>")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)


def words_of(page: Path) -> str:
    return " ".join(" ".join(Reader(page.read_text("utf-8")).words).split())


@pytest.mark.parametrize("kind", ["study_folder", "bench_folder"])
def test_page_is_sound_and_every_link_is_there(kind: str, request: pytest.FixtureRequest) -> None:
    page = build_report(request.getfixturevalue(kind))
    assert page.name == "index.html" and page.parent.name == "report"
    text = page.read_text("utf-8")
    reader = Reader(text)
    assert reader.wrong == [] and reader.open == []
    assert len(reader.ids) == len(set(reader.ids))
    assert "http://" not in text and "https://" not in text and "//cdn" not in text
    files = [link for link in reader.links if not link.startswith(("#", "data:"))]
    assert files and all(link.startswith("../") for link in files)  # the data, nothing to show
    for link in files:
        assert (page.parent / unquote(link)).is_file(), link
    for link in reader.links:
        if link.startswith("#") and "=" not in link:
            assert link[1:] in reader.ids
    assert list(page.parent.iterdir()) == [page]
    pictures = [link for link in reader.links if link.startswith("data:image/")]
    assert len(pictures) == {"study_folder": 8, "bench_folder": 22}[kind]  # once each
    assert len(text) - sum(map(len, pictures)) < 160_000


def test_study_page_says_the_numbers(study_folder: Path) -> None:
    words = words_of(build_report(study_folder))
    for expected in (
        "A small study",
        "A note of the study.",
        "Against baseline, generator 30 % changes the average stream by 0.0 %, SSIM by −0.050, "
        "the model file by −13.9 % and the total time by −1.1 %.",
        "The model file of baseline has 18.0 MB. It encodes a picture of 320 × 288 pixels in 60.0 "
        "ms and decodes it in 120.0 ms.",
        "12,500",
        "18,000,000",
        "Testchip 9000",
        "Change against baseline",
        "Expected and achieved",
        "alps.png 320 × 288, crop 128 × 96 at 16, 8 · MS-SSIM 0.9400",
        "12,000 bytes · 1.042 bpp",
        "PSNR 28.00 dB · MS-SSIM 0.9400 · LPIPS 0.1400",
        "6 measurements",
    ):
        assert expected in words, expected
    assert "not measured" not in words
    assert "BD-rate" not in words


def test_bench_page_has_charts_and_bd_rates(bench_folder: Path) -> None:
    page = build_report(bench_folder)
    words = words_of(page)
    for expected in (
        "hific-s and jpeg on 2 images",
        "Against jpeg, hific-s needs 20.0 % fewer bytes at "
        "equal MS-SSIM and 20.0 % fewer at equal PSNR.",
        "2 pictures are too few for intervals.",
        "BD-rate against jpeg",
        "SSIM, LPIPS and ΔE were not measured, so they have no column.",
        "All measured points",
    ):
        assert expected in words, expected
    # Two metrics: BD-rates, curves, time against bytes, single images.
    assert page.read_text("utf-8").count('class="drawn" viewBox="0 0') == 8
    assert "Expected and achieved" not in words


def test_links_of_crops_name_a_picture_that_is_there(study_folder: Path) -> None:
    page = build_report(study_folder)
    text = page.read_text("utf-8")
    data = re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)
    assert data is not None
    images = {each["image"]: each for each in json.loads(data[1])}
    links = [link for link in Reader(text).links if link.startswith("#picture=")]
    assert len(links) == 8  # two images, the original and three variants
    for link in links:
        words = dict(parse_qsl(link[1:], strict_parsing=True))
        names = [shot["name"] for shot in images[words["picture"]]["shots"]]
        assert words["a"] in names and words["b"] in names
    ids = [shot["id"] for each in images.values() for shot in each["shots"]]
    assert set(ids) <= set(Reader(text).ids)


def test_the_same_rows_give_the_same_bytes(study_folder: Path) -> None:
    first = build_report(study_folder).read_bytes()
    assert build_report(study_folder).read_bytes() == first


def test_pictures_that_pages_had_beside_them_are_removed_and_nothing_else(
    study_folder: Path,
) -> None:
    pictures = study_folder / "report" / "pictures"
    (pictures / "gone").mkdir(parents=True)
    (pictures / "gone" / "old@1.png").write_bytes(b"x")
    (pictures / "alps").mkdir()
    (pictures / "alps" / "old@1.crop.png").write_bytes(b"x")
    note = study_folder / "report" / "notes.txt"
    note.write_text("mine")
    build_report(study_folder)
    assert not pictures.exists()
    assert note.read_text(encoding="utf-8") == "mine"
    assert (study_folder / "pictures" / "alps" / "original.png").exists()


def test_names_are_escaped_everywhere(tmp_path: Path, fill: Any, make_row: Any) -> None:
    evil = "<script>alert('&\"')</script>"
    rows = [
        make_row(variant=evil, quality=q, stream_bytes=9000 * q, image=f"{q}{'<b>'}.png")
        for q in (1, 2)
    ]
    study = {
        "title": evil, "columns": [evil], "notes": [evil], "published_source": evil,
        "published": {evil: {"ssim": 1}},
    }  # fmt: skip
    page = build_report(fill(tmp_path, rows, study))
    text = page.read_text("utf-8")
    assert "<script>" not in text and text.count('<script type="module">') == 1
    assert "alert('&" not in text and "<b>." not in text
    reader = Reader(text)
    assert reader.wrong == [] and reader.open == []
    for link in reader.links:
        if not link.startswith(("#", "data:")):
            assert (page.parent / unquote(link)).is_file()
    data = re.search(r'id="viewer-data">(.*?)</script>', text, re.DOTALL)
    assert data is not None and "<" not in data[1]
    assert json.loads(data[1])[0]["shots"][1]["label"] == evil


def test_rows_without_pictures_and_metrics_make_a_page(tmp_path: Path, make_row: Any) -> None:
    store = RowStore(tmp_path / "rows.sqlite")
    store.add(make_row(metrics={}, machine={}, parts_ms={}))
    store.close()
    page = build_report(tmp_path)
    words = words_of(page)
    assert "baseline, 1.072 bits per pixel." in words
    assert "were not measured, so they have no column." in words
    assert "Pictures" not in words
    assert Reader(page.read_text("utf-8")).wrong == []


def test_curves_without_a_common_range_say_so(tmp_path: Path, fill: Any, make_row: Any) -> None:
    rows = [
        make_row(variant=v, quality=q, stream_bytes=1000 * q, metrics={"psnr": base + q})
        for v, base in (("a", 20.0), ("b", 40.0))
        for q in (1, 2, 3, 4)
    ]
    assert "There is no BD-rate" in words_of(build_report(fill(tmp_path, rows)))


def test_a_metric_of_some_images_only_is_named(
    tmp_path: Path, fill: Any, make_row: Any, study_rows: list[Row]
) -> None:
    rows = [*study_rows[1:], make_row(metrics={"psnr": 30.0})]
    words = words_of(build_report(fill(tmp_path, rows)))
    assert "SSIM, MS-SSIM, LPIPS and ΔE are missing for some images" in words


def test_no_rows_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(SlimcodecError, match=r"rows\.sqlite is not there"):
        build_report(tmp_path)
    assert list(tmp_path.iterdir()) == []  # and no empty database was made
    RowStore(tmp_path / "rows.sqlite").close()
    with pytest.raises(SlimcodecError, match="no rows yet"):
        build_report(tmp_path)


def test_damaged_files_are_errors(study_folder: Path) -> None:
    (study_folder / "pictures" / "alps" / "original.png").write_bytes(b"no picture")
    with pytest.raises(SlimcodecError, match=r"original\.png cannot be read"):
        build_report(study_folder)
    (study_folder / "rows.sqlite").write_bytes(b"no database " * 100)
    with pytest.raises(SlimcodecError, match=r"rows\.sqlite"):
        build_report(study_folder)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([], "must hold an object"),
        ({"columns": "encoder"}, "columns must be a list"),
        ({"title": 3}, "title must be text"),
        ({"published": {"x": {"ssim": "high"}}}, "published must be"),
        ({"figure": {"image": "a.png", "crop": [0, 0, 0, 5]}}, "figure must be"),
        ({"figure": {"crop": [1, 2, 3]}}, "figure must be"),
    ],
)
def test_a_wrong_study_file_gets_one_line(study_folder: Path, values: Any, words: str) -> None:
    (study_folder / "study.json").write_text(json.dumps(values))
    with pytest.raises(SlimcodecError, match=words):
        build_report(study_folder)
    (study_folder / "study.json").write_text("{")
    with pytest.raises(SlimcodecError, match="cannot be read as JSON"):
        build_report(study_folder)


def test_study_tables_for_a_terminal(study_folder: Path, study_rows: list[Row]) -> None:
    from slimcodec.bench import summarise

    tables = study_tables(study_folder, summarise(study_rows))
    assert [table.title for table in tables] == [
        "A small study", "Published trends", "Change against baseline",
        "Expected and achieved time",
    ]  # fmt: skip
    (study_folder / "study.json").unlink()
    assert study_tables(study_folder, summarise(study_rows)) == []


def test_without_jinja_the_extra_is_named(
    study_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"slimcodec\[report\]"):
        build_report(study_folder)


def test_report_never_imports_torch(bench_folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from slimcodec.report import build_report\n"
        "assert 'torch' not in sys.modules and 'jinja2' not in sys.modules\n"
        f"build_report(Path({str(bench_folder)!r}))\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ)
