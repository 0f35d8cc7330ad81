"""Rows: written at once and for good, found again by what was measured."""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slimcodec.bench import Row, RowStore, read_rows, rows_from_tsv, rows_to_tsv
from slimcodec.errors import SlimcodecError

MakeRow = Callable[..., Row]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[RowStore]:
    store = RowStore(tmp_path / "rows.sqlite")
    yield store
    store.close()


def test_rows_come_back_as_they_were(store: RowStore, make_row: MakeRow) -> None:
    row = make_row(settings={"generator": 0.3}, metrics={"psnr": math.inf, "ssim": 0.1 + 0.2})
    assert row.key not in store
    store.add(row)
    assert row.key in store
    assert list(store) == [row]
    assert next(iter(store)).bpp == 8 * 1000 / (100 * 80) == 1.0


def test_steps_come_back(store: RowStore, make_row: MakeRow) -> None:
    row = make_row(steps_ms={"encode.encoder": [1.5, 2.5]}, base="b" * 64)
    store.add(row)
    assert list(store) == [row]


def test_rows_of_old_are_read(store: RowStore, make_row: MakeRow) -> None:
    """As they were written before rows had steps and said what they were made from."""
    store.add(make_row())
    with sqlite3.connect(store.path) as old:
        (data,) = old.execute("SELECT data FROM rows").fetchone()
        values = json.loads(data)
        del values["steps_ms"], values["base"]
        old.execute("UPDATE rows SET data = ?", (json.dumps(values),))
    old.close()
    (row,) = store
    assert (row.steps_ms, row.base) == ({}, "")


def test_rows_outlive_the_store(tmp_path: Path, make_row: MakeRow) -> None:
    path = tmp_path / "rows.sqlite"
    first = RowStore(path)
    first.add(make_row())
    first.close()
    again = RowStore(path)
    assert make_row().key in again
    assert list(again) == [make_row()]
    again.close()


def test_a_row_is_written_when_add_returns(store: RowStore, make_row: MakeRow) -> None:
    """Another process that opens the file sees it, whatever becomes of this one."""
    store.add(make_row())
    other = sqlite3.connect(store.path)
    assert other.execute("SELECT COUNT(*) FROM rows").fetchone() == (1,)
    other.close()


@pytest.mark.parametrize(
    "change",
    [
        {"variant": "small"},
        {"digest": "e" * 64},
        {"runtime": "onnx"},
        {"quality": 50.5},
        {"image_digest": "1" * 16},
    ],
)
def test_a_key_is_what_was_measured(make_row: MakeRow, change: dict[str, object]) -> None:
    assert make_row(**change).key != make_row().key


def test_a_key_is_not_what_came_out(make_row: MakeRow) -> None:
    other = make_row(stream_bytes=7, encode_ms=9.0, metrics={}, image="renamed.png")
    assert other.key == make_row().key


def test_measuring_again_replaces(store: RowStore, make_row: MakeRow) -> None:
    store.add(make_row(stream_bytes=1))
    store.add(make_row(stream_bytes=2))
    assert [row.stream_bytes for row in store] == [2]


def test_the_order_of_rows(store: RowStore, make_row: MakeRow) -> None:
    """Variants as they first came, then quality, then image."""
    wanted = [
        (variant, quality, image)
        for variant in ("slim", "jpeg")
        for quality in (5.0, 50.0)
        for image in ("a.png", "b.png")
    ]
    for variant, quality, image in [wanted[0], *reversed(wanted[1:])]:
        store.add(make_row(variant=variant, quality=quality, image=image, image_digest=image))
    assert [(row.variant, row.quality, row.image) for row in store] == wanted


def test_variants_keep_their_places_whoever_is_first(store: RowStore, make_row: MakeRow) -> None:
    """Workers are done in any order, and a row that is measured again is written last; of a study
    the first variant is the one that others are changes of."""
    store.add(make_row(variant="of before"))
    store.expect(["baseline", "pruned"])
    for variant in ("pruned", "baseline", "of before"):
        store.add(make_row(variant=variant))
    store.expect(["pruned", "more"])
    store.add(make_row(variant="more"))
    assert [row.variant for row in store] == ["of before", "baseline", "pruned", "more"]


def test_files_that_are_no_stores(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(SlimcodecError, match="cannot be used for rows"):
        RowStore(path)
    with pytest.raises(SlimcodecError, match="cannot be used for rows"):
        RowStore(tmp_path / "absent" / "rows.sqlite")


def test_a_file_that_is_no_store_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def remembered(path: Path) -> sqlite3.Connection:
        opened.append(connect(path))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", remembered)
    path = tmp_path / "rows.sqlite"
    path.write_bytes(b"not a database" * 100)
    with pytest.raises(SlimcodecError):
        RowStore(path)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_tsv(tmp_path: Path, make_row: MakeRow) -> None:
    rows = [
        make_row(),
        make_row(
            variant="tab\there",
            metrics={"psnr": 31.5},
            parts_ms={"encode.prior": 0.25},
            steps_ms={"encode.prior": [0.125, 0.25]},
            base="b" * 64,
            spread=None,
            beside="1 other worker on these cores",
            environment={"runtime": "onnxruntime 1.27", "engine": "numpy 2"},
        ),
    ]
    rows_to_tsv(rows, tmp_path / "rows.tsv")
    with (tmp_path / "rows.tsv").open(newline="") as file:
        first, second = csv.DictReader(file, delimiter="\t")
    assert first["variant"] == "jpeg"
    assert first["stream_bytes"] == "1000"
    assert float(first["bpp"]) == 1.0
    assert float(first["psnr"]) == 30.0
    assert float(first["encode.encoder_ms"]) == 2.0
    assert first["encode.prior_ms"] == ""
    assert (first["digest"], first["image_digest"]) == ("d" * 64, "0" * 16)
    assert second["variant"] == "tab\there"
    assert second["ssim"] == ""
    assert float(second["encode.prior_ms"]) == 0.25
    assert (first["encode.prior_steps_ms"], first["base"]) == ("", "")
    assert second["encode.prior_steps_ms"] == "0.125 0.250"
    assert second["base"] == "b" * 64
    assert (first["spread"], second["spread"]) == ("0.100", "")
    assert (first["beside"], second["beside"]) == ("", "1 other worker on these cores")
    assert json.loads(second["environment"]) == {"runtime": "onnxruntime 1.27", "engine": "numpy 2"}
    assert (first["environment"], first["machine"]) == ("", '{"cpu": "any"}')
    assert set(first) >= {"image", "width", "height", "decode_ms", "read_ms", "model_bytes"}


words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
figures = st.integers(0, 10**6).map(lambda n: n / 1000)


@given(data=st.data())
def test_rows_come_back_from_text(
    data: st.DataObject, make_row: MakeRow, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """All of them, whatever is in their names."""
    path = tmp_path_factory.mktemp("text") / "rows.tsv"
    rows = [
        make_row(
            variant=data.draw(words), image=data.draw(words), beside=data.draw(words),
            environment=data.draw(st.dictionaries(words, words, max_size=2)),
            settings=data.draw(st.dictionaries(words, words | figures, max_size=2)),
            machine=data.draw(st.dictionaries(words, words, max_size=2)),
            metrics=data.draw(
                st.dictionaries(st.sampled_from(["psnr", "my.own"]), figures | st.just(math.inf))
            ),
            parts_ms=data.draw(st.dictionaries(st.sampled_from(["encode.a", "whole"]), figures)),
            steps_ms=data.draw(
                st.dictionaries(
                    st.sampled_from(["encode.a", "b"]), st.lists(figures, min_size=1, max_size=3)
                )
            ),
            spread=data.draw(st.none() | figures), energy_j=data.draw(st.none() | figures),
            repeats=data.draw(st.integers(1, 9)), base=data.draw(words),
        )
        for _ in range(data.draw(st.integers(1, 3)))
    ]  # fmt: skip
    rows_to_tsv(rows, path)
    assert rows_from_tsv(path) == rows


def test_text_of_old(tmp_path: Path, make_row: MakeRow) -> None:
    """Pictures are known by their names, and the machine is no other's."""
    rows_to_tsv([make_row(), make_row(quality=60.0)], tmp_path / "rows.tsv")
    lines = (tmp_path / "rows.tsv").read_text(encoding="utf-8").splitlines()
    width = lines[0].split("\t").index("image_digest")
    old = ["\t".join(line.split("\t")[:width]) for line in lines]
    old[0] += "\tenvironment"
    old[1] += "\tlibrary: libjpeg 3; effort: best"
    old[2] += "\t"
    (tmp_path / "rows.tsv").write_text("\n".join(old) + "\n", encoding="utf-8")
    first, second = read_rows(tmp_path)
    assert first.environment == {"library": "libjpeg 3", "effort": "best"}
    assert second.environment == {}
    assert first.image_digest == first.image == "a.png"
    assert first.clocked_on == second.clocked_on != make_row().clocked_on
    (tmp_path / "other").mkdir()
    (tmp_path / "rows.tsv").rename(tmp_path / "other" / "rows.tsv")
    assert read_rows(tmp_path / "other")[0].clocked_on != first.clocked_on


def test_the_store_counts_before_its_text(tmp_path: Path, make_row: MakeRow) -> None:
    rows_to_tsv([make_row(stream_bytes=7)], tmp_path / "rows.tsv")
    store = RowStore(tmp_path / "rows.sqlite")
    store.add(make_row(stream_bytes=8))
    store.close()
    assert [row.stream_bytes for row in read_rows(tmp_path)] == [8]


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda text: text.replace("\t1000\t", "\tmany\t"), "line 2: invalid literal"),
        (lambda text: text.replace("\t1000\t", "\t0\t"), "line 2: 0 bytes of 80x100"),
        (lambda text: text.replace("bpp", "rate"), "line 1: there is no column bpp"),
        (lambda text: text.replace("model_bytes", "bytes"), "line 1: there is no column model_b"),
        (lambda text: text.replace("psnr", "ssim"), "line 1: two columns have one name"),
        (lambda text: text.replace("variant", '"va"riant', 1), "line 1: .*expected after"),
        (lambda text: text.splitlines()[0], "holds no rows yet"),
        (lambda text: "", "line 1: there is no column variant"),
        (lambda text: text.rstrip() + "\tmore", "line 2: 29 cells under 28 names"),
        (lambda text: text.rpartition("\t")[0], "line 2: 27 cells under 28 names"),
        (lambda text: text.rstrip() + '"', "line 2: "),
        (lambda text: text.rpartition("\t")[0] + '\t"', "unexpected end of data"),
        (lambda text: text.rpartition("\t")[0] + "\t{", "line 2: Expecting property name"),
        (lambda text: text.rpartition("\t")[0] + "\t3", "line 2: machine is"),
    ],
)
def test_text_that_is_no_rows(
    tmp_path: Path, make_row: MakeRow, edit: Callable[[str], str], words: str
) -> None:
    path = tmp_path / "rows.tsv"
    rows_to_tsv([make_row()], path)
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(SlimcodecError, match=words) as error:
        read_rows(tmp_path)
    assert str(path) in str(error.value)


def test_results_that_are_passed_on() -> None:
    """Whatever lies in the repository's folders of results can be read."""
    results = Path(__file__).parents[2] / "results"
    found = {path.parent.name: rows_from_tsv(path) for path in results.glob("*/rows.tsv")}
    assert len(found) >= 8
    assert all(found.values())
    assert {row.variant for row in found["kodak"]} >= {"hific-s", "jpeg", "avif"}
    assert len({row.key for row in found["kodak"]}) == len(found["kodak"])


def test_tsv_of_nothing(tmp_path: Path) -> None:
    rows_to_tsv([], tmp_path / "rows.tsv")
    assert (tmp_path / "rows.tsv").read_text(encoding="utf-8").startswith("variant\tcodec\tquality")


def test_a_row_can_be_changed_only_by_making_another(make_row: MakeRow) -> None:
    row = make_row()
    with pytest.raises(AttributeError):
        row.stream_bytes = 5  # type: ignore[misc]
    assert replace(row, stream_bytes=5).bpp == 0.005
