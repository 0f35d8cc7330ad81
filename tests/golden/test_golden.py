"""Streams written once decode to the recorded integers exactly, and to the recorded pixels within
one level, whatever CPU, thread count, process or version reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from slimcodec import library, registry
from slimcodec.codecs.family import Coded
from slimcodec.stream import cut, is_progressive, step_ends
from tests.golden.record import integers_of, model_of

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.slc"))


def recorded(name: str) -> dict[str, np.ndarray]:
    with np.load(HERE / f"{name}.npz") as file:
        return dict(file)


def stream_of(name: str) -> bytes:
    return (HERE / f"{name}.slc").read_bytes()


def test_there_are_golden_streams_of_every_family_that_has_streams() -> None:
    models = {model_of(recorded(name)) for name in NAMES}
    coded = {name for name in registry.families if isinstance(registry.families.get(name), Coded)}
    assert {library.load_model(model).family for model in models} == coded


@pytest.mark.parametrize("name", NAMES)
def test_integers_exactly_and_pixels_within_one_level(name: str) -> None:
    expected = recorded(name)
    codec: Any = library.load_codec(model_of(expected))
    integers = integers_of(codec, stream_of(name))
    assert set(expected) == {"model", "pixels", *integers}
    for key, array in integers.items():
        assert np.array_equal(array, expected[key]), key
    pixels = codec.decode(stream_of(name)).astype(int)
    assert np.abs(pixels - expected["pixels"]).max() <= 1


def test_a_cut_is_the_recorded_cut() -> None:
    assert cut(stream_of("tiny-rnn-odd"), 2) == stream_of("tiny-rnn-cut")


@pytest.mark.parametrize("name", [name for name in NAMES if is_progressive(stream_of(name))])
def test_every_beginning_still_decodes(name: str) -> None:
    expected = recorded(name)
    codec: Any = library.load_codec(model_of(expected))
    for count in range(1, len(step_ends(stream_of(name))) + 1):
        for key, array in integers_of(codec, codec.cut(stream_of(name), count)).items():
            assert len(array) == count
            assert np.array_equal(array, expected[key][:count])


CHILD = """
import sys, hashlib, os
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:int(sys.argv[1])])
from record import integers_of
from slimcodec import library
integers = integers_of(library.load_codec(sys.argv[2]), open(sys.argv[3], "rb").read())
digest = hashlib.sha256()
for name, array in sorted(integers.items()):
    digest.update(name.encode() + array.astype("<i4").tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_new_processes_at_one_and_two_threads_agree(name: str) -> None:
    printed = set()
    for threads in ("1", "2"):
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONPATH": str(HERE),
        }
        words = [sys.executable, "-c", CHILD, threads, model_of(recorded(name))]
        done = subprocess.run(
            [*words, str(HERE / f"{name}.slc")],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(done.stdout)
    assert len(printed) == 1


@pytest.mark.parametrize("name", NAMES)
def test_the_command_line_decodes_to_the_recorded_pixels(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slimcodec.cli import main
    from slimcodec.images import read_image

    expected = recorded(name)
    target = tmp_path / "back.png"
    words = ["decode", HERE / f"{name}.slc", "-o", target, "--codec", model_of(expected)]
    monkeypatch.setattr(sys, "argv", ["slimcodec", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
        raise SystemExit(0)
    assert not stop.value.code
    assert np.abs(read_image(target).pixels.astype(int) - expected["pixels"]).max() <= 1
