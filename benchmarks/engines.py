"""Streams written on every runtime, read by every engine, on one thread and on two, as on this CPU
and as on older ones: are the symbols the same?

python benchmarks/engines.py hific-s --images KODAK [--runtimes onnx,openvino,torch]
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from slimcodec import library
from slimcodec.images import find_images, read_image
from slimcodec.integers.engines import engines

MACHINES: tuple[dict[str, str], ...] = (
    {},
    {"OPENBLAS_CORETYPE": "Haswell", "ONEDNN_MAX_CPU_ISA": "AVX2"},
    {"OPENBLAS_CORETYPE": "Nehalem", "ONEDNN_MAX_CPU_ISA": "SSE41"},
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--runtimes", default="onnx,openvino,torch")
    parser.add_argument("--read", type=Path, help="a folder of streams, for the processes started")
    arguments = parser.parse_args()
    if arguments.read is not None:
        print(symbols_of(arguments.model, arguments.read))
        return
    paths = find_images(arguments.images)
    with tempfile.TemporaryDirectory() as folder:
        for runtime in arguments.runtimes.split(","):
            codec = library.load_codec(arguments.model, runtime)
            for path in paths:
                stream = codec.encode(read_image(path).pixels)
                (Path(folder) / f"{path.stem}-{runtime}.slc").write_bytes(stream)
        found = {}
        for engine, threads, machine in itertools.product(engines(), (1, 2), MACHINES):
            cpu = machine.get("OPENBLAS_CORETYPE", "this CPU")
            own = read_by(arguments.model, folder, engine, threads, machine)
            found[engine, threads, cpu] = own
            print(
                f"{engine:6} {threads} thread(s), as on {cpu:8}: {found[engine, threads, cpu][:16]}"
            )
    same = len(set(found.values())) == 1
    print(
        f"{len(paths)} pictures x {arguments.runtimes}, {len(found)} readers: "
        f"{'identical symbols' if same else 'DIFFERENT SYMBOLS'}"
    )
    sys.exit(not same)


def read_by(model: str, folder: str, engine: str, threads: int, machine: dict[str, str]) -> str:
    """A digest of all symbols, from a process of its own."""
    cores = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(
        [sys.executable, __file__, model, "--read", folder],
        env={**os.environ, **machine, "SLIMCODEC_ENGINE": engine},
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def symbols_of(model: str, folder: Path) -> str:
    codec: Any = library.load_codec(model)
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        read = codec.read(path.read_bytes())
        arrays = [read]
        if isinstance(read, tuple):
            arrays = [a for tile in read[1] for a in (tile.symbols, tile.hyper_latents)]
        for array in arrays:
            digest.update(array.astype("<i4").tobytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
