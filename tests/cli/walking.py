"""Every verb, one after another in one process, with some modules kept from it.

    python walking.py FOLDER MODULE ...

prints, as JSON lines, what each verb came to. ``FOLDER`` has what verbs work on; see
``test_missing_parts``.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback
from pathlib import Path


def words_of(folder: Path) -> list[list[str]]:
    """A command line for each verb."""
    at = {path.name: str(path) for path in folder.iterdir()}
    out = str(folder / "out")
    photo, model, stream = at["photo.png"], at["tiny.slim"], at["rnn.slc"]
    photos, recipe = at["photos"], at["recipe.toml"]
    fast = ["--metrics", "psnr", "--repeats", "1"]
    return [
        ["list"],
        ["doctor"],
        ["inspect", model],
        ["encode", photo, "--codec", model, "-o", f"{out}.slc"],
        ["decode", stream, "--codec", at["tiny-rnn.slim"], "-o", f"{out}.png"],
        ["cut", stream, "-o", f"{out}-cut.slc", "--iterations", "1"],
        ["export", model, "-o", f"{out}-bundle", "--runtime", "openvino"],
        ["encode", photo, "--codec", f"{out}-bundle", "-o", f"{out}-openvino.slc"],
        ["encode", photo, "--codec", model, "--runtime", "torch", "-o", f"{out}-torch.slc"],
        ["shrink", model, "--recipe", recipe, "-o", f"{out}.slim"],
        ["import", "toderici", photo, photo, photo, "-o", f"{out}-import.slim"],
        ["import", "hific", photo, "-o", f"{out}-import.slim"],
        ["bench", "jpeg", "--images", photo, "--out", f"{out}-bench", *fast],
        ["time", "jpeg", model, "--images", photo, "--rounds", "1"],
        ["report", f"{out}-bench"],
        ["study", at["study.toml"], "--images", photo, "--out", f"{out}-study"],
        ["sensitivity", model, "--calibration", photos, "-o", f"{out}-sensitivity"],
        ["search", model, "--calibration", photos, "-o", f"{out}-search", "--trials", "1"],
        ["train", at["train.toml"], "--images", photos, "--out", f"{out}-train"],
        ["bench", "jxl", "--images", photo, "--out", f"{out}-jxl", *fast],
    ]


def walk(folder: Path) -> None:
    from slimcodec.cli.app import main

    for words in words_of(folder):
        sys.argv = ["slimcodec", *words]
        out, err, status = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as stop:
                status = int(stop.code or 0)
            except BaseException:
                status, _ = -1, err.write(traceback.format_exc())
        print(json.dumps({"words": words, "status": status, "err": err.getvalue()}), flush=True)


if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(sys.argv[2:]))  # type: ignore[arg-type]
    walk(Path(sys.argv[1]))
