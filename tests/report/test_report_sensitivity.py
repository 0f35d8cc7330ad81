"""The heat map: every cost in its place, in its colour; the page is whole by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from slimcodec.errors import SlimcodecError
from slimcodec.explore.sensitivity_rows import Row, RowFile, Setup, Subject, costs_of, read_rows
from slimcodec.report import bargain_tables, build_sensitivity_page
from tests.report.test_report_page import Reader, words_of

SUBJECTS = (
    Subject("encoder.head", "layer", "encoder", 1000, 0.5),
    Subject("encoder.late", "layer", "encoder", 1000, 0.5, read=False),
    Subject("generator.head", "layer", "generator", 2000, 1.5),
    Subject("generator.inner", "group", "generator", 4000, 2.0, maker="generator.head"),
    Subject("generator.<trunk>", "group", "generator", 9000, 3.0),
    Subject("generator.blocks.0", "block", "generator", 4000, 2.0),
)
CHANGES = [
    ("bits", "encoder.head", 4, (0.001, 0.002)),
    ("bits", "generator.head", 4, (0.2, 0.5)),
    ("zeros", "generator.head", 0.5, (0.0, -0.001)),
    ("channels", "generator.inner", 0.25, (0.02, 0.02)),
    ("channels", "generator.<trunk>", 0.125, (3.0, 3.0)),
    ("block", "generator.blocks.0", 1, (0.12, 0.12)),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photographs of 1 bpp each; what a change costs is distortion, but for a tenth."""
    photographs = {"p": "a.png", "q": "b.png"}
    setup = Setup("tiny", "digest", "hific", (3.0,), photographs, 100, SUBJECTS)
    store = RowFile(tmp_path / "rows.jsonl", setup)
    for number, photograph in enumerate(photographs):
        store.add(Row(photograph, "unshrunk", "", 0, (1.0,), (0.5,)))
        for kind, name, setting, growths in CHANGES:
            growth = growths[number]
            priced = (1 + growth / 10,), (0.5 + growth * 0.9,)
            store.add(Row(photograph, kind, name, setting, *priced, 1000.0, 0.25))
    return tmp_path


def test_costs_are_percent_of_the_rate(folder: Path) -> None:
    costs = {c.change.name: c for c in costs_of(read_rows(folder / "rows.jsonl")[1])}
    cost = costs["encoder.head"]
    assert cost.percent == pytest.approx(0.15)
    assert cost.rate_percent == pytest.approx(0.015)
    assert cost.error_percent == pytest.approx(0.05)
    assert cost.bpp == pytest.approx(0.0015)


def test_the_page_is_whole_by_itself(folder: Path) -> None:
    page = build_sensitivity_page(folder, 2.0)
    text = page.read_text("utf-8")
    reader = Reader(text)
    assert reader.wrong == [] and reader.open == []
    assert "http://" not in text and "https://" not in text
    assert {link for link in reader.links if not link.startswith(("#", "data:"))} == {"rows.jsonl"}
    assert {link[1:] for link in reader.links if link.startswith("#")} <= set(reader.ids)
    assert build_sensitivity_page(folder, 2.0).read_text("utf-8") == text


def test_every_cost_is_there_in_its_colour(folder: Path) -> None:
    page = build_sensitivity_page(folder, 2.0)
    text = page.read_text("utf-8")
    for heat, number in (
        (1, "0.15"),
        (6, "35.0"),
        (0, "−0.05"),
        (3, "2.00"),
        (7, "300"),
        (5, "12.0"),
    ):
        cells = [line for line in text.splitlines() if f"heat h{heat}" in line]
        assert any(f">{number}</td>" in line for line in cells), number
    words = words_of(page)
    assert "1 layer, encoder.late to encoder.late, do not run" in words
    assert "With 4 bits, generator.head alone costs +35.0 % of the rate" in words
    assert "<trunk>" in words and "<trunk>" not in text
    # The group that one layer makes stands in its line.
    (line,) = [part for part in text.split("<tr data-line>") if 'title="generator.head"' in part]
    assert line.count('data-tip="') == 3
    assert 'title="generator.inner"' not in text


def test_bargains_are_said_with_their_units(folder: Path) -> None:
    bytes_, kmac = bargain_tables(costs_of(read_rows(folder / "rows.jsonl")[1]))
    assert [column.name for column in bytes_.columns][-1] == "Saves (bytes)"
    assert bytes_.rows[0] == [
        "generator.head",
        "50 % zeros".replace(" ", "\u00a0", 1),
        "−0.05",
        "0.05",
        "1,000",
    ]
    assert kmac.rows[1][0] == "encoder.head"


def test_no_rows_no_page(tmp_path: Path) -> None:
    with pytest.raises(SlimcodecError, match="cannot be read"):
        build_sensitivity_page(tmp_path, 2.0)
