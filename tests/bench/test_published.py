"""Published curves: what is read is what is written, and what makes no sense is refused by line."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from slimcodec.bench import (
    PublishedCurve,
    Row,
    published_rates,
    read_published,
    summarise,
    write_published,
)
from slimcodec.bench.published import PublishedPoint
from slimcodec.catalogue import published
from slimcodec.errors import ConfigError, UnknownNameError
from slimcodec.metrics import bd_rate, curve_quality

MakeRow = Callable[..., Row]

TEXT = """\
# Kodak, means over 24 pictures
codec,bpp,psnr,ms-ssim
# source: their paper, table 3
VTM,0.1,28,0.91
VTM,0.2,30,0.94
"of, two",0.3,33,
# images: one two
# source: a later one
VTM,0.1,28.5,
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "their.csv"
    path.write_text(text)
    return path


def test_what_is_read(tmp_path: Path) -> None:
    first, second, third = read_published(written(tmp_path, TEXT))
    assert (first.codec, first.source) == ("VTM", "their paper, table 3")
    assert first.points == [
        PublishedPoint(0.1, {"psnr": 28, "ms-ssim": 0.91}),
        PublishedPoint(0.2, {"psnr": 30, "ms-ssim": 0.94}),
    ]
    assert (second.codec, dict(second.points[0].metrics)) == ("of, two", {"psnr": 33})
    assert (third.codec, third.source) == ("VTM", "a later one")
    assert (first.images, third.images) == (frozenset(), frozenset({"one", "two"}))
    assert first.is_of(["any"]) and third.is_of(["two", "one"]) and not third.is_of(["one"])


def test_there_and_back(tmp_path: Path) -> None:
    curves = read_published(written(tmp_path, TEXT))
    write_published(curves, tmp_path / "kept.csv")
    assert read_published(tmp_path / "kept.csv") == curves


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no points"),
        ("# source: x\ncodec,bpp,psnr\n", "holds no points"),
        ("codec,bpp,psnr\nVTM,0.1,30\n", "line 2.*no '# source: ...' line"),
        ("# source: x\ncodec,psnr,bpp\nVTM,1,1\n", "line 2.*must be codec,bpp,METRIC"),
        ("# source: x\ncodec,bpp\nVTM,1\n", "line 2.*must be codec,bpp,METRIC"),
        ("# source: x\ncodec,bpp,psn\nVTM,1,1\n", "'psn' is no metric; known: .*psnr"),
        ("# source: x\ncodec,bpp,psnr,psnr\nVTM,1,1,1\n", "names a metric twice"),
        ("# source: x\ncodec,bpp,psnr\nVTM,0.1\n", "line 3.*must have 3 cells"),
        ("# source: x\ncodec,bpp,psnr\n,0.1,30\n", "line 3.*a codec's name first"),
        ("# source: x\ncodec,bpp,psnr\nVTM,0.1,good\n", "line 3.*'good' is no number"),
        ("# source: x\ncodec,bpp,psnr\nVTM,0.1,nan\n", "line 3.*no finite number"),
        ("# source: x\ncodec,bpp,psnr\nVTM,0,30\n", "line 3.*bits per pixel above 0"),
        ("# source: x\ncodec,bpp,psnr\nVTM,0.1,\n", "line 3.*at least one metric"),
        ("# source: x\ncodec,bpp,ms-ssim\nVTM,0.1,13.2\n", "line 3.*ms-ssim is 13.2"),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=rf"their\.csv.*{words}"):
        read_published(written(tmp_path, text))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read: no such file or directory$"):
        read_published(tmp_path / "none.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"cannot be read: it is no text in UTF-8$"):
        read_published(tmp_path / "bytes.csv")


def test_rates_against_published_curves(make_row: MakeRow) -> None:
    rows = [
        make_row(
            variant="ours",
            quality=float(step),
            stream_bytes=1000 * 2**step,
            height=100,
            width=100,
            metrics={"psnr": 30.0 + 2 * step, "ssim": 0.9},
        )
        for step in range(5)
    ]
    twice = [PublishedPoint(1.6 * 2**step, {"psnr": 30.0 + 2 * step}) for step in range(5)]
    curves = [
        PublishedCurve("theirs", "a paper", twice),
        PublishedCurve("short", "a paper", twice[:3]),
        PublishedCurve("far", "a paper", [PublishedPoint(p.bpp, {"psnr": 90}) for p in twice]),
    ]
    (found,) = published_rates(summarise(rows).points, curves)
    assert (found.variant, found.codec, found.source) == ("ours", "theirs", "a paper")
    assert found.metric == "psnr" and found.percent == pytest.approx(-50)


def test_those_that_ship() -> None:
    curves = read_published(published.find("kodak"))
    assert {"VVC (VTM)", "BPG 4:4:4", "mbt2018-mean"} <= {curve.codec for curve in curves}
    for curve in curves:
        assert len(curve.points) >= 6 and "github.com" in curve.source
    with pytest.raises(UnknownNameError, match="did you mean kodak"):
        published.find("kodac")


def test_rates_of_those_that_ship_agree_with_bjontegaard() -> None:
    package = pytest.importorskip("bjontegaard")
    curves = read_published(published.find("kodak"))
    for first, second in itertools.permutations(curves, 2):
        one, other = (
            [(p.bpp, float(curve_quality("psnr", p.metrics["psnr"]))) for p in curve.points]
            for curve in (first, second)
        )
        (rates, values), (other_rates, other_values) = zip(*one), zip(*other)  # noqa: B905
        theirs = package.bd_rate(
            rates,
            values,
            other_rates,
            other_values,
            method="pchip",
            require_matching_points=False,
            min_overlap=0,
        )
        assert bd_rate(one, other) == pytest.approx(float(theirs), abs=0.1)
