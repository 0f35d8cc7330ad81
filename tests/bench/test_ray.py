"""Ray: the same rows from a head and two nodes on this machine, and from one where workers die."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slimcodec.bench import Candidate, CodecReference, Job
from slimcodec.bench.executors import cluster
from slimcodec.errors import MissingExtraError, SlimcodecError, UsageError

PROGRAM = Path(__file__).with_name("ray_cluster.py")


@pytest.mark.slow
@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")
def test_a_cluster_makes_the_rows_of_one_process(photos: list[Path], tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, PROGRAM, photos[0].parent, tmp_path],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    alone = found["alone"]
    assert len(alone["rows"]) == 15 and len(alone["pictures"]) == 6
    assert found["victims"]
    for name in ("cluster", "killed"):
        assert found[name]["rows"] == alone["rows"]
        assert found[name]["pictures"] == alone["pictures"]
        assert all("of a Ray cluster's node" in words for words in found[name]["beside"])
    assert found["errors"] == ["UsageError", "jpeg quality must be 1 to 95, got 500"]


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray")
def test_where_there_is_no_cluster(photos: list[Path]) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{held.getsockname()[1]}"
    program = (
        "from slimcodec.bench.executors.cluster import Cluster\n"
        "from slimcodec.errors import UsageError\n"
        f"try: next(Cluster({address!r}).run(iter([])))\n"
        "except UsageError as error: print(error)"
    )
    # Ray warns of much that is not ours.
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert said.startswith(f"there is no Ray cluster at {address} ("), said
    assert said.count("\n") == 1 and "ray start --head" in said


@pytest.mark.parametrize("address", ["foo", "127.0.0.1:1", "10.0.0.1"])
def test_an_address_is_tried_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A study makes models for minutes before it measures."""
    monkeypatch.setitem(sys.modules, "ray", ModuleType("ray"))
    with pytest.raises(UsageError, match=f"there is no Ray cluster at {address} "):
        cluster.Cluster(address)


def test_without_ray_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"slimcodec\[ray\]"):
        cluster.Cluster("auto")


def test_a_node_that_does_not_see_a_file_says_so(tmp_path: Path, photos: list[Path]) -> None:
    jpeg, lost = CodecReference("jpeg"), tmp_path / "lost.png"
    job = Job(Candidate(jpeg, (50.0,), "jpeg"), lost, "", "", {}, ())
    with pytest.raises(SlimcodecError, match=r"the node .* does not see .*lost\.png; put images"):
        cluster._measured(job)
    model = CodecReference("jpeg", same_size_as=CodecReference(str(tmp_path / "lost.slim")))
    job = Job(Candidate(model, (1.0,), "jpeg"), photos[0], "", "", {}, ())
    with pytest.raises(SlimcodecError, match=r"does not see .*lost\.slim"):
        cluster._measured(job)
