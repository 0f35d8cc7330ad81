"""The page of a search, from made-up rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slimcodec.errors import SlimcodecError
from slimcodec.report import build_search_page, front_table, is_search
from slimcodec.report.search import _chart, _read


def measured(ratio: float, rate: float | None, size: int) -> dict[str, Any]:
    points = [
        {"quality": q, "bpp": 0.1 * q, "psnr": 25.0 + q - (rate or 0) / 50, "ms-ssim": 0.9}
        for q in (1.0, 3.0, 5.0)
    ]
    return {
        "bytes": size,
        "bytes_ratio": size / 15_000_000,
        "decode_ms": 120 * ratio,
        "decode_ratio": ratio,
        "points": points,
        "bd_rate_percent": {"psnr": rate, "ms-ssim": rate},
    }


def row(number: int, ratio: float, rate: float | None, **settings: Any) -> dict[str, Any]:
    named = {f"generator.{name}": value for name, value in settings.items()}
    return {"number": number, "settings": named, **measured(ratio, rate, 9_000_000 - number)}


ROWS = [
    row(1, 0.7, 12.0, share=0.4, blocks=5, bits="8+8"),
    row(2, 0.95, 0.8, share=0.0, blocks=6, bits="8+8"),
    row(3, 0.9, 14.5, share=0.1, blocks=5, bits="4"),
    row(4, 0.3, None, share=0.8, blocks=3, bits="4"),
    row(5, 0.5, 250.0, share=0.7, blocks=3, bits="5"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    state = {
        "name": "hific-s <b>",
        "claim": {
            "photographs": {f"{n}.png": "d" for n in range(8)},
            "judges": ["1.png", "3.png"],
            "space": {"steps": 0},
        },
        "runtime": "openvino",
        "budgets": ["bd-rate<=20%"],
        "objectives": ["decode"],
        "timed": {"height": 512, "width": 768, "quality": 3.0},
        "unshrunk": measured(1.0, 0.0, 15_000_000),
        "trials": ROWS,
        "front": [1, 2],
        "winner": 1,
    }
    (tmp_path / "search.json").write_text(json.dumps(state))
    return tmp_path


def changed(folder: Path, **values: Any) -> Path:
    path = folder / "search.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **values}))
    return folder


def test_the_table_of_the_front(folder: Path) -> None:
    table = front_table(folder)
    assert table.title == "The front within bd-rate<=20%, fastest first"
    assert [one[0] for one in table.rows] == ["hific-s <b>", "1 *", "2"]
    cells = dict(zip([column.name for column in table.columns], table.rows[1], strict=True))
    assert cells["generator multiply-adds gone (%)"] == "40"
    assert cells["generator blocks"] == "5"
    assert cells["decode (ms)"] == "84.0"
    assert cells["of before (%)"] == "70.0"
    assert cells["BD-rate PSNR (%)"] == "+12.00"
    # At quality 3, the usual one, and not at the first.
    assert cells["PSNR (dB)"] == "27.76"
    assert table.rows[0][1:4] == ["as it is"] * 3


def test_the_page(folder: Path) -> None:
    page = build_search_page(folder)
    text = page.read_text(encoding="utf-8")
    assert page == folder / "report" / "index.html"
    assert "<b>" not in text.split("<style>")[0] + text.split("</style>")[1]
    assert "Trial 1 of 5 decodes in 70\u00a0% of" in text
    assert "2 more trials cost more bits" in text
    assert "winner.toml" not in text
    (folder / "winner.toml").write_text("")
    assert "../winner.toml" in build_search_page(folder).read_text(encoding="utf-8")
    first = page.read_bytes()
    assert build_search_page(folder).read_bytes() == first


def test_up_and_left_is_better(folder: Path) -> None:
    chart = _chart(_read(folder))
    assert chart is not None
    places = {mark.label: mark.spot for mark in chart.marks if mark.label}
    assert set(places) == {"hific-s <b>", "1", "2"}
    assert places["1"].x < places["2"].x < places["hific-s <b>"].x
    assert places["1"].y > places["2"].y > places["hific-s <b>"].y
    looks = [mark.look for mark in chart.marks]
    assert looks == ["faint", "unshrunk", "s1 winner", "s0"]


def test_no_winner_is_said(folder: Path) -> None:
    text = build_search_page(changed(folder, front=[], winner=None)).read_text(encoding="utf-8")
    assert "None of 5 trials is within bd-rate&lt;=20%." in text


def test_no_curve_to_compare(folder: Path) -> None:
    text = build_search_page(changed(folder, trials=[ROWS[3]], front=[], winner=None)).read_text(
        encoding="utf-8"
    )
    assert "There is no BD-rate" in text


def test_what_cannot_be_shown_is_named(folder: Path, tmp_path: Path) -> None:
    assert is_search(folder)
    with pytest.raises(SlimcodecError, match="holds no trials yet"):
        build_search_page(changed(folder, trials=[]))
    with pytest.raises(SlimcodecError, match=r"search\.json cannot be read as a search: KeyError"):
        build_search_page(changed(folder, trials=[{"number": 1}]))
