"""Who measures does not matter: the rows are the same but for times, and nothing is lost."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from slimcodec.bench import (
    Candidate,
    CodecReference,
    Executor,
    InProcess,
    Job,
    Measurement,
    Processes,
    Row,
    RowStore,
    run_grid,
)
from slimcodec.bench.executors import processes, worker
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.machine import available_cores

TINY = Path(__file__).parents[1] / "golden" / "tiny.slim"
Progress = Callable[[int, int, str], None]


def candidates() -> list[Candidate]:
    """A learned codec, a peer, and one that searches for the size of the first."""
    tiny = CodecReference(str(TINY))
    return [
        Candidate(tiny, (1.0, 3.0, 5.0), "tiny"),
        Candidate(CodecReference("jpeg"), (20.0, 60.0, 90.0), "jpeg", {"kind": "peer"}),
        Candidate(CodecReference("jpeg", same_size_as=tiny), (3.0,), "jpeg, same size"),
    ]


def rows_of(
    executor: Executor,
    photos: list[Path],
    folder: Path,
    on_progress: Progress = lambda done, total, what: None,
) -> list[Row]:
    folder.mkdir(exist_ok=True)
    store = RowStore(folder / "rows.sqlite")
    try:
        run_grid(
            candidates(), photos, ["psnr", "ssim"], store,
            repeats=2, pictures=1, executor=executor, on_progress=on_progress,
        )  # fmt: skip
        return list(store)
    finally:
        store.close()


def without_times(rows: list[Row]) -> list[Row]:
    """In an order of their own, with nothing that a clock or the machine decides."""
    same = [
        replace(
            row, encode_ms=0.0, decode_ms=0.0, read_ms=0.0, spread=0.0, beside="", peak_mb=None,
            energy_j=None, machine={}, parts_ms=dict.fromkeys(row.parts_ms, 0.0),
        )
        for row in rows
    ]  # fmt: skip
    return sorted(same, key=lambda row: row.key)


def pictures_in(folder: Path) -> dict[str, bytes]:
    files = (folder / "pictures").rglob("*.png")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def alone(
    photos: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Row], dict[str, bytes]]:
    """Rows and pictures that one process makes."""
    folder = tmp_path_factory.mktemp("alone")
    rows = rows_of(InProcess(), photos, folder)
    assert len(rows) == 7 * len(photos)
    return rows, pictures_in(folder)


def workers_of_this_process() -> list[int]:
    """Ids of the workers that it has, from the system's list of processes."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(
                (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]
            )
            if parent == os.getpid() and b"executors.worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has just ended
            continue
    return found


def test_two_processes_make_the_rows_of_one(
    alone: tuple[list[Row], dict[str, bytes]], photos: list[Path], tmp_path: Path
) -> None:
    said: list[int] = []
    executor = Processes(2, threads=1)
    rows = rows_of(executor, photos, tmp_path, lambda done, total, what: said.append(done))
    assert without_times(rows) == without_times(alone[0])
    assert pictures_in(tmp_path) == alone[1]
    assert said == sorted(said) and said[-1] == len(rows)
    # What is timed beside other work says so, and on how many cores.
    assert all(row.beside.startswith("1 other worker on") for row in rows)
    assert {row.machine["threads"] for row in rows} == {1}
    assert {row.machine["cores"] for row in rows} == {1}
    assert not any("other worker" in row.beside for row in alone[0])
    assert not workers_of_this_process()
    # And in the next process nothing is left to do.
    assert rows_of(InProcess(), photos, tmp_path) == rows


def test_a_killed_worker_loses_nothing(
    alone: tuple[list[Row], dict[str, bytes]], photos: list[Path], tmp_path: Path
) -> None:
    killed: list[int] = []

    def progress(done: int, total: int, what: str) -> None:
        if done in (4, 11) and len(killed) < 2:
            victim = workers_of_this_process()[0]
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    rows = rows_of(Processes(2, threads=1), photos, tmp_path, progress)
    assert len(killed) == 2
    assert without_times(rows) == without_times(alone[0])
    assert pictures_in(tmp_path) == alone[1]


def test_a_job_that_ends_every_worker_is_given_up(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "_program", lambda number, threads: "raise SystemExit(7)")
    with pytest.raises(SlimcodecError, match=r"3 workers ended while .* · tiny, .* status 7"):
        rows_of(Processes(1), photos, tmp_path)


def test_what_goes_wrong_in_a_worker_is_raised_here(photos: list[Path], tmp_path: Path) -> None:
    store = RowStore(tmp_path / "rows.sqlite")
    wrong = [Candidate(CodecReference("jpeg"), (50.0, 500.0), "jpeg")]
    with pytest.raises(UsageError, match="jpeg quality must be 1 to 95, got 500"):
        run_grid(wrong, photos, [], store, executor=Processes(1))
    assert [row.quality for row in store] == [50.0]
    store.close()
    assert not workers_of_this_process()


class OddError(Exception):
    """One that asks for more than it keeps, as those of some libraries do."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}")


def test_any_error_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(job: Job) -> Iterator[Measurement]:
        raise OddError("no good", "a test")

    monkeypatch.setattr(worker, "measure", failing)
    answer, end = worker._answers(Job(candidates()[0], Path(), "", "", {}, ()))
    assert end is None
    told = pickle.loads(pickle.dumps(answer))
    assert isinstance(told, SlimcodecError) and str(told) == "OddError: no good: a test"


def test_a_worker_that_answers_nonsense_has_ended(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nonsense that is no pickle raises anything; this asks for a module that is not there."""
    nonsense = "import os; os.write(1, b'cnowhere\\nnothing\\n.')"
    monkeypatch.setattr(processes, "_program", lambda number, threads: nonsense)
    with pytest.raises(SlimcodecError, match="3 workers ended while"):
        rows_of(Processes(1), photos, tmp_path)


def test_an_interruption_ends_the_workers_and_keeps_what_is_there(
    photos: list[Path], tmp_path: Path
) -> None:
    def progress(done: int, total: int, what: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rows_of(Processes(2, threads=1), photos, tmp_path, progress)
    assert not workers_of_this_process()
    store = RowStore(tmp_path / "rows.sqlite")
    assert len(list(store)) == 3
    store.close()


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = [{tests!r}, {here!r}]
from test_executors import Processes, rows_of, workers_of_this_process

def progress(done, total, what):
    if done == 5:
        print(*workers_of_this_process(), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

rows_of(Processes(2, threads=1), sorted(Path(sys.argv[1]).iterdir()), Path(sys.argv[2]), progress)
"""


def test_workers_of_a_killed_process_end_and_it_goes_on(
    alone: tuple[list[Row], dict[str, bytes]], photos: list[Path], tmp_path: Path
) -> None:
    here = Path(__file__).parent
    program = KILLED.format(tests=str(here.parent), here=str(here))
    words: list[str | Path] = [sys.executable, "-c", program, photos[0].parent, tmp_path / "out"]
    with (tmp_path / "said.txt").open("wb") as said:
        result = subprocess.run(words, stdout=subprocess.PIPE, stderr=said)
    assert result.returncode == -signal.SIGKILL
    pids = [int(word) for word in result.stdout.split()]
    assert len(pids) == 2
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not (tmp_path / "said.txt").read_bytes()
    store = RowStore(tmp_path / "out" / "rows.sqlite")
    before = list(store)
    store.close()
    assert len(before) == 5
    rows = rows_of(Processes(2, threads=1), photos, tmp_path / "out")
    assert without_times(rows) == without_times(alone[0])
    assert all(row in rows for row in before)
    assert pictures_in(tmp_path / "out") == alone[1]


def test_cores_are_shared_out() -> None:
    assert Processes(1).threads == available_cores()
    assert Processes(1).beside == ""
    assert Processes(10 * available_cores()).threads == 1
    assert Processes(3, threads=available_cores()).beside == "2 other workers on these cores"
    with pytest.raises(UsageError, match="at least one worker, got 0"):
        Processes(0)


def test_paths_are_whole_for_a_process_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are as they were typed, whoever opens them: also such as no codec has."""
    (tmp_path / "own.slim").touch()
    (tmp_path / "jpeg").touch()
    monkeypatch.chdir(tmp_path)
    for typed in ("jpeg", "hific-s", "jpeg+restore", "hific-x", "gone.slim"):
        assert CodecReference(typed).anywhere() == CodecReference(typed)
    whole = CodecReference("jpeg", same_size_as=CodecReference("own.slim")).anywhere()
    assert whole.same_size_as == CodecReference(str(tmp_path / "own.slim"))
