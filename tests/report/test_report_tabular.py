"""Rows for other tools, and figures for notebooks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.dom import minidom

import pytest

from slimcodec.errors import MissingExtraError, UnknownNameError, UsageError
from slimcodec.report import figure, read_runs, runs_to_parquet, runs_to_tensorboard


def test_a_parquet_file_has_typed_columns(study_folder: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = read_runs([study_folder])
    path = tmp_path / "rows.parquet"
    runs_to_parquet(runs, path)
    table = parquet.read_table(path)
    rows = list(runs[0].rows)
    assert table.num_rows == len(rows)
    types = {field.name: str(field.type) for field in table.schema}
    assert types["variant"] == "string" and types["stream_bytes"] == "int64"
    assert types["bpp"] == types["metric.psnr"] == types["ms.decode.generator"] == "double"
    values = table.to_pydict()
    assert values["run"] == [study_folder.name] * len(rows)
    assert values["metric.ssim"] == [row.metrics["ssim"] for row in rows]
    peers = [n for n, row in enumerate(rows) if row.codec == "jpeg"]
    assert all(values["ms.decode.generator"][n] is None for n in peers)
    assert json.loads(values["settings"][2]) == dict(rows[2].settings)
    runs_to_parquet(runs, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()


def test_a_spread_that_nobody_has_is_null(tmp_path: Path, fill: Any, make_row: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    runs = read_runs([fill(tmp_path, [make_row(spread=None)])])
    runs_to_parquet(runs, tmp_path / "rows.parquet")
    table = parquet.read_table(tmp_path / "rows.parquet")
    assert table.column("spread").to_pylist() == [None]
    assert str(table.schema.field("spread").type) == "double"


def test_without_pyarrow_the_extra_is_named(
    study_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = read_runs([study_folder])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"slimcodec\[parquet\]"):
        runs_to_parquet(runs, tmp_path / "rows.parquet")
    assert not (tmp_path / "rows.parquet").exists()


def test_tensorboard_reads_what_was_written(bench_folder: Path, tmp_path: Path) -> None:
    accumulating = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    runs_to_tensorboard(read_runs([bench_folder]), tmp_path / "log")
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["hific-s", "jpeg"]
    events = accumulating.EventAccumulator(str(tmp_path / "log" / "hific-s")).Reload()
    scalars = events.Scalars("metric/PSNR (dB)")
    assert [event.value for event in scalars] == [24.5, 27.0, 29.5, 32.0, 34.5]
    assert [event.step for event in scalars] == sorted(event.step for event in scalars)
    assert scalars[0].step == round(1000 * 8 * 5120 / (320 * 288))
    assert events.Scalars("bd_rate_percent/PSNR (dB)")[0].value == pytest.approx(-20, abs=0.1)
    assert "ms/decode/generator" in events.Tags()["scalars"]
    (text,) = events.Tensors("made_of")
    assert b"codec: hific-s" in text.tensor_proto.string_val[0]


def test_variants_that_no_folder_tells_apart_have_two(
    tmp_path: Path, fill: Any, make_row: Any
) -> None:
    pytest.importorskip("tensorboard")
    rows = [make_row(variant=name, digest=name[1] * 64) for name in ("a/b", "a:b")]
    (tmp_path / "run").mkdir()
    runs_to_tensorboard(read_runs([fill(tmp_path / "run", rows)]), tmp_path / "log")
    assert sorted(path.name for path in (tmp_path / "log").iterdir()) == ["a_b", "a_b, 2"]


def test_a_log_is_not_written_over_another(bench_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "mine").write_text("x")
    with pytest.raises(UsageError, match="is not empty"):
        runs_to_tensorboard(read_runs([bench_folder]), tmp_path / "log")


@pytest.mark.parametrize("kind", ["verdict", "rate", "pareto"])
def test_a_notebook_shows_the_figures_of_the_page(bench_folder: Path, kind: str) -> None:
    drawing = figure(bench_folder, kind)
    shown = drawing._repr_html_()
    assert shown.count('class="drawn" viewBox') == 2 and "<style>" in shown
    assert ("hific-s" in shown) and "https://" not in shown
    assert drawing._repr_svg_() is None  # two charts are no one SVG
    alone = figure(bench_folder, kind, "psnr")
    assert [chart.title for chart in alone.charts] == ["PSNR"]
    root = minidom.parseString(alone.svg()).documentElement
    assert root is not None and root.tagName == "svg"
    assert root.getAttribute("xmlns") == "http://www.w3.org/2000/svg"
    assert alone._repr_svg_() == alone.svg()


def test_a_figure_is_saved_as_a_file(bench_folder: Path, tmp_path: Path) -> None:
    figure(bench_folder, "rate", "ms-ssim").save(tmp_path / "rate.svg")
    assert (tmp_path / "rate.svg").read_text("utf-8").startswith("<svg")
    with pytest.raises(UsageError, match="an SVG is one chart"):
        figure(bench_folder, "rate").save(tmp_path / "both.svg")


def test_figures_that_there_are_not_are_named(bench_folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean pareto"):
        figure(bench_folder, "paretto")
    with pytest.raises(UnknownNameError, match="unknown chart 'lpips'"):
        figure(bench_folder, "rate", "lpips")


def test_rows_without_such_a_figure_say_so(tmp_path: Path, fill: Any, make_row: Any) -> None:
    with pytest.raises(UsageError, match="no figure 'rate'"):
        figure(fill(tmp_path, [make_row()]), "rate")
