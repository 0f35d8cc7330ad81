"""Operator x runtime x really int8: which layers of quantized models ran in integers, from each
runtime's own profile of a picture coded there and back.

    python benchmarks/operators.py hific-int8.slim rnn-int8.slim

Prints two Markdown tables: layers with weights by kind, and everything that ran beside them.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from torch import nn

from slimcodec import library
from slimcodec.model_file import Model, thaw_network
from slimcodec.quantization import INTEGER_BITS
from slimcodec.quantization.simulation import convolutions
from slimcodec.runtime import Operator
from slimcodec.runtime import profile as bundle_profile

RUNTIMES = {"openvino": "OpenVINO", "onnx": "ONNX Runtime"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="+", type=Path, help="quantized model files")
    arguments = parser.parse_args()
    layers = ["| model | part | layers | of eight bits | " + " | ".join(RUNTIMES.values()) + " |"]
    layers.append("|---|---|---:|---:|" + "---:|" * len(RUNTIMES))
    others = ["| model | runtime | in integers | in floats |", "|---|---|---|---|"]
    for path in arguments.models:
        model = library.load_model(path)
        profiles = {runtime: profile(model, runtime) for runtime in RUNTIMES}
        layers += layer_lines(model, profiles)
        for runtime, operators in profiles.items():
            beside = [o for o in operators if not o.multiplies and o.kind != "Reorder"]
            kinds = [sorted({o.kind for o in beside if o.integer is own}) for own in (True, False)]
            cells = [", ".join(names) or "nothing" for names in kinds]
            others.append(f"| {model.name} | {RUNTIMES[runtime]} | {' | '.join(cells)} |")
    print("\n".join([*layers, "", *others]))


def profile(model: Model, runtime: str) -> list[Operator]:
    with tempfile.TemporaryDirectory() as folder:
        return bundle_profile(library.export_model(model, Path(folder) / "bundle", runtime))


def layer_lines(model: Model, profiles: Mapping[str, list[Operator]]) -> list[str]:
    """One line per part and kind of layer, of those layers that a runtime runs at all."""
    network = thaw_network(model)
    grids = model.quantization.activations
    kinds: dict[tuple[str, str], list[str]] = {}
    ran = {o.name for operators in profiles.values() for o in operators}
    for name, layer in convolutions(network).items():
        if name in ran:
            kinds.setdefault((name.split(".")[0], kind_of(name, layer)), []).append(name)
    # A layer of more than eight bits runs as several products; all of them count.
    integers = {
        runtime: {o.name for o in operators if o.multiplies and o.integer}
        - {o.name for o in operators if o.multiplies and not o.integer}
        for runtime, operators in profiles.items()
    }
    lines = []
    for (part, kind), names in kinds.items():
        eight = [n for n in names if n in grids and grids[n].bits <= INTEGER_BITS]
        counts = Counter({r: sum(n in integers[r] for n in names) for r in profiles})
        really = " | ".join(str(counts[runtime]) for runtime in profiles)
        lines.append(f"| {model.name} | {part}, {kind} | {len(names)} | {len(eight)} | {really} |")
    return lines


def kind_of(name: str, layer: nn.Module) -> str:
    if name.endswith("conv_ih"):
        return "ConvLSTM, input"
    if name.endswith("conv_hh"):
        return "ConvLSTM, hidden state"
    return "transposed convolutions" if isinstance(layer, nn.ConvTranspose2d) else "convolutions"


if __name__ == "__main__":
    main()
