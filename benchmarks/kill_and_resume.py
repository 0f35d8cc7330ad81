"""Ten kills (-9) at random moments of training and ten resumes, against the run left alone.

    python benchmarks/kill_and_resume.py --images PHOTOS

Both runs train hific-s from the shipped weights on one thread. Printed: at each kill the step that
the state on disk had and the step that the run had reached (so, the steps done twice), how far the
two loss curves lie apart beside how far each lies from its own neighbours, and how far the final
weights are. What a run draws is a function of the seed and the step, so the two should be one
curve; only the order in which a CPU adds up floats may differ.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from training_curves import scalars_of

CONFIG = """
steps = {steps}
batch = 2
crop = 128
learning_rate = 2e-4
precision = "32-true"
checkpoint_minutes = {minutes}
validate_minutes = 1000
seed = 9
"""
STATE = "state.ckpt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--checkpoint-seconds", type=float, default=5.0)
    parser.add_argument("--start-seconds", type=float, default=8.0, help="of a run's own start")
    arguments = parser.parse_args()
    rng, start_s = random.Random(1), arguments.start_seconds
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "run.toml"
        minutes = arguments.checkpoint_seconds / 60
        config.write_text(CONFIG.format(steps=arguments.steps, minutes=minutes))
        alone = Path(folder) / "alone"
        started = time.monotonic()
        _start(config, arguments.images, alone).wait()
        whole_s = time.monotonic() - started
        print(f"left alone: {arguments.steps} steps in {whole_s:.0f} s")
        killed = Path(folder) / "killed"
        done = 0
        while done < arguments.kills:
            run = _start(config, arguments.images, killed)
            time.sleep(start_s + rng.uniform(0.02, 0.12) * whole_s)
            if run.poll() is not None:
                break
            run.kill()
            run.wait()
            done += 1
            state = killed / STATE
            kept = _state(state)["step"] if state.exists() else 0
            print(f"kill {done}: the state has step {kept}, {_reached(killed)} were reached")
        print(f"{done} kills; to the end: status {_start(config, arguments.images, killed).wait()}")
        _compare(alone, killed)


def _start(config: Path, images: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "slimcodec", "train", str(config), "--images", str(images)]
    options = ["--out", str(out), "--init", "hific-s", "--threads", "1", "--resume"]
    return subprocess.Popen([*command, *options], stderr=subprocess.DEVNULL)


def _state(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def _reached(out: Path) -> int:
    return int(scalars_of(out / "tensorboard")["train/loss"][0].max())


def _compare(alone: Path, killed: Path) -> None:
    (steps, values), (other_steps, others) = (
        scalars_of(out / "tensorboard")["train/loss"] for out in (alone, killed)
    )
    apart = np.abs(np.interp(steps, other_steps, others) - values).mean()
    noise = np.abs(np.diff(values)).mean()
    print(f"mean loss {values.mean():.4f} alone, {others.mean():.4f} killed and resumed; "
          f"curves {apart:.4f} apart, neighbouring reports of one run {noise:.4f}")  # fmt: skip
    one, other = (_state(out / STATE)["network"] for out in (alone, killed))
    moved = max(
        float((one[k] - other[k]).abs().max() / one[k].abs().max().clamp(min=1e-9)) for k in one
    )
    print(f"final weights: largest difference {moved:.2e} of a tensor's largest value")


if __name__ == "__main__":
    main()
