"""slimcodec doctor: what this machine has, for a bug report or a slow day."""

from __future__ import annotations

from typing import Any

from slimcodec.cli.options import Json


def doctor(json: Json = False) -> None:
    """Check this machine: versions, processor, optional parts, metric weights, allocator."""
    from slimcodec.cli.console import print_json

    facts = _facts()
    if json:
        print_json(facts)
        return
    for key, value in facts.items():
        print(f"{key:14} {value}")


def _facts() -> dict[str, Any]:
    import platform
    from importlib import metadata

    import slimcodec
    from slimcodec import machine
    from slimcodec.errors import MissingExtraError, MissingWeightsError
    from slimcodec.integers.engines import engines, fault

    def version(package: str, extra: str) -> str:
        try:
            return metadata.version(package)
        except metadata.PackageNotFoundError:
            return f"not installed; pip install 'slimcodec[{extra}]'"

    try:
        from slimcodec.metrics import Lpips

        Lpips()
        lpips = "weights found"
    except (MissingWeightsError, MissingExtraError) as error:
        lpips = str(error)
    return {
        "slimcodec": slimcodec.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": machine.cpu_name(),
        "instructions": " ".join(machine.cpu_flags()) or "none of the telling ones",
        "cores": machine.available_cores(),
        "onnxruntime": metadata.version("onnxruntime"),
        "openvino": version("openvino", "openvino"),
        "torch": version("torch", "torch"),
        "training": version("lightning-fabric", "train"),
        "report": version("jinja2", "report"),
        "lpips": lpips,
        "engines": "; ".join(f"{name}: {fault(name) or 'exact'}" for name in engines()),
        "allocator": "tuned: large tensors keep their memory"
        if machine.tune_allocator()
        else "as the system has it (glibc's mallopt is not to be had, or SLIMCODEC_MALLOC=system)",
    }
