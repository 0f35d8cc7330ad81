"""Streams written once decode to the recorded symbols exactly, and to the recorded pixels within
one level, whatever CPU, thread count, process or version reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from slimcodec import library

HERE = Path(__file__).parent
NAMES = sorted(path.stem for path in HERE.glob("*.slc"))


def codec_of(name: str):
    recorded = np.load(HERE / f"{name}.npz")
    model = str(recorded["model"])
    local = HERE / model
    return library.load_codec(local if local.exists() else model), recorded


def test_there_are_golden_streams():
    assert NAMES


@pytest.mark.parametrize("name", NAMES)
def test_symbols_exactly_and_pixels_within_one_level(name):
    codec, recorded = codec_of(name)
    header, latents = codec.read((HERE / f"{name}.slc").read_bytes())
    assert np.array_equal(latents.symbols, recorded["symbols"])
    assert np.array_equal(latents.hyper_latents, recorded["hyper_latents"])
    pixels = codec.synthesise(latents, header).astype(int)
    assert np.abs(pixels - recorded["pixels"]).max() <= 1


CHILD = """
import sys, hashlib, numpy as np, torch
torch.set_num_threads(int(sys.argv[1]))
from slimcodec import library
codec = library.load_codec(sys.argv[2])
_, latents = codec.read(open(sys.argv[3], "rb").read())
print(hashlib.sha256(latents.symbols.astype("<i4").tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_new_processes_at_one_and_two_threads_agree(name):
    recorded = np.load(HERE / f"{name}.npz")
    model = str(recorded["model"])
    local = HERE / model
    printed = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        words = [sys.executable, "-c", CHILD, threads, str(local if local.exists() else model)]
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
def test_the_command_line_decodes_to_the_recorded_pixels(name, tmp_path, monkeypatch):
    from slimcodec.cli import main
    from slimcodec.images import read_image

    recorded = np.load(HERE / f"{name}.npz")
    model = str(recorded["model"])
    local = HERE / model
    target = tmp_path / "back.png"
    words = [
        "decode",
        HERE / f"{name}.slc",
        "-o",
        target,
        "--codec",
        local if local.exists() else model,
    ]
    monkeypatch.setattr(sys, "argv", ["slimcodec", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
        raise SystemExit(0)
    assert not stop.value.code
    assert np.abs(read_image(target).pixels.astype(int) - recorded["pixels"]).max() <= 1
