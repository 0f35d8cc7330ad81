"""Model files changed by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save_file


def rewritten(
    path: Path, to: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]
) -> Path:
    """The same file with its manifest and tensors changed by hand, as a whole safetensors file."""
    with safe_open(path, "numpy") as file:
        manifest = json.loads(file.metadata()["slimcodec"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(manifest, tensors)
    save_file(tensors, to, {"slimcodec": json.dumps(manifest)})
    return to
