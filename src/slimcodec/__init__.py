"""slimcodec: make learned image codecs small and fast, and prove on real streams what that cost.

    import slimcodec

    stream = slimcodec.encode("photo.png", quality=2)
    image = slimcodec.decode(stream)

    recipe = slimcodec.Recipe([slimcodec.Prune({"generator": 0.3})])
    small = slimcodec.shrink_model(slimcodec.load_model("hific-s"), recipe)
    slimcodec.save_model(small, Path("small.slim"))

Importing this module imports nothing else: what a name stands for comes when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from slimcodec.bench import (
        Candidate,
        CodecReference,
        Row,
        RowStore,
        Study,
        read_rows,
        run_grid,
        summarise,
    )
    from slimcodec.errors import SlimcodecError
    from slimcodec.images import read_image, write_image
    from slimcodec.library import load_codec as load
    from slimcodec.library import load_model, shrink_model, stream_change
    from slimcodec.metrics import bd_rate
    from slimcodec.model_file import Model
    from slimcodec.model_file import save as save_model
    from slimcodec.pictures import ConversionWarning, decode, encode, restore
    from slimcodec.report import ReportPage, build_report
    from slimcodec.runtime import open_codec
    from slimcodec.shrink import Prune, Recipe
    from slimcodec.target_size import Fitted, encode_to_size
    from slimcodec.types import Codec
    from slimcodec.workflows.bench import BenchResults, run_bench
    from slimcodec.workflows.importing import import_checkpoint
    from slimcodec.workflows.study import read_study, run_study
    from slimcodec.workflows.training import train_model

__version__ = "0.2.0"

__all__ = [
    "BenchResults",
    "Candidate",
    "Codec",
    "CodecReference",
    "ConversionWarning",
    "Fitted",
    "Model",
    "Prune",
    "Recipe",
    "ReportPage",
    "Row",
    "RowStore",
    "SlimcodecError",
    "Study",
    "bd_rate",
    "build_report",
    "decode",
    "encode",
    "encode_to_size",
    "import_checkpoint",
    "load",
    "load_model",
    "open_codec",
    "read_image",
    "read_rows",
    "read_study",
    "restore",
    "run_bench",
    "run_grid",
    "run_study",
    "save_model",
    "shrink_model",
    "stream_change",
    "summarise",
    "train_model",
    "write_image",
]

_HOMES = {
    "BenchResults": "workflows.bench:BenchResults",
    "Candidate": "bench:Candidate",
    "Codec": "types:Codec",
    "CodecReference": "bench:CodecReference",
    "ConversionWarning": "pictures:ConversionWarning",
    "Fitted": "target_size:Fitted",
    "Model": "model_file:Model",
    "Prune": "shrink:Prune",
    "Recipe": "shrink:Recipe",
    "ReportPage": "report:ReportPage",
    "Row": "bench:Row",
    "RowStore": "bench:RowStore",
    "SlimcodecError": "errors:SlimcodecError",
    "Study": "bench:Study",
    "bd_rate": "metrics:bd_rate",
    "build_report": "report:build_report",
    "decode": "pictures:decode",
    "encode": "pictures:encode",
    "encode_to_size": "target_size:encode_to_size",
    "import_checkpoint": "workflows.importing:import_checkpoint",
    "load": "library:load_codec",
    "load_model": "library:load_model",
    "open_codec": "runtime:open_codec",
    "read_image": "images:read_image",
    "read_rows": "bench:read_rows",
    "read_study": "workflows.study:read_study",
    "restore": "pictures:restore",
    "run_bench": "workflows.bench:run_bench",
    "run_grid": "bench:run_grid",
    "run_study": "workflows.study:run_study",
    "save_model": "model_file:save",
    "shrink_model": "library:shrink_model",
    "stream_change": "library:stream_change",
    "summarise": "bench:summarise",
    "train_model": "workflows.training:train_model",
    "write_image": "images:write_image",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'slimcodec' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(importlib.import_module(f"slimcodec.{module}"), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
