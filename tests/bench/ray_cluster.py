"""A Ray cluster on this machine, and what it makes of a grid beside one process; run as a program,
as Ray warns of much that is not ours.

    python ray_cluster.py PHOTOS FOLDER

Prints in its last line one JSON object: rows, less times, of this process, of a head and two nodes,
and of the same with workers killed; and what errors say.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster as RayCluster

from slimcodec.bench import Candidate, CodecReference, InProcess, RowStore, run_grid
from slimcodec.bench.executors.cluster import Cluster
from slimcodec.errors import SlimcodecError

TINY = Path(__file__).parents[1] / "golden" / "tiny.slim"
TIMES = (
    "encode_ms", "decode_ms", "read_ms", "spread", "parts_ms", "machine", "beside", "peak_mb",
    "energy_j",
)  # fmt: skip


def rows_of(executor: Any, photos: Path, folder: Path, on_progress: Any = None) -> dict[str, Any]:
    folder.mkdir()
    store = RowStore(folder / "rows.sqlite")
    tiny = CodecReference(str(TINY))
    candidates = [
        Candidate(tiny, (1.0, 3.0, 5.0), "tiny"),
        Candidate(CodecReference("jpeg"), (20.0, 60.0), "jpeg"),
    ]
    run_grid(
        candidates, sorted(photos.iterdir()), ["psnr"], store, repeats=1, pictures=1,
        executor=executor, on_progress=on_progress or (lambda *_: None),
    )  # fmt: skip
    rows = sorted(store, key=lambda row: row.key)
    store.close()
    plain = [{k: v for k, v in dataclasses.asdict(r).items() if k not in TIMES} for r in rows]
    kept = {
        str(path.relative_to(folder)): hash(path.read_bytes()) for path in folder.rglob("*.png")
    }
    return {"rows": plain, "pictures": kept, "beside": sorted({row.beside for row in rows})}


def workers() -> list[int]:
    """Ids of Ray's workers on this machine that have done a job of ours."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray::_measured" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def main(photos: Path, folder: Path) -> None:
    found: dict[str, Any] = {"alone": rows_of(InProcess(), photos, folder / "alone")}
    cluster = RayCluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(2):
        cluster.add_node(num_cpus=1)
    killed: list[int] = []

    def kill(done: int, total: int, what: str) -> None:
        for pid in workers() if done >= 2 and not killed else ():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    executor = Cluster(cluster.address)
    try:
        found["cluster"] = rows_of(executor, photos, folder / "cluster")
        found["killed"] = rows_of(executor, photos, folder / "killed", kill)
        found["victims"] = len(killed)
        found["errors"] = errors(executor, photos, folder)
    finally:
        cluster.shutdown()
    print(json.dumps(found))


def errors(executor: Cluster, photos: Path, folder: Path) -> list[str]:
    """What is said of a quality that there is none of."""
    store = RowStore(folder / "wrong.sqlite")
    try:
        run_grid(
            [Candidate(CodecReference("jpeg"), (500.0,), "jpeg")], sorted(photos.iterdir()), [],
            store, executor=executor,
        )  # fmt: skip
    except SlimcodecError as error:
        return [type(error).__name__, str(error)]
    finally:
        store.close()
    return []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
