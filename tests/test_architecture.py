"""The import table of DESIGN.md, section 2, and the house rules, read off the source itself.

Every import counts, wherever it stands: inside a function, under ``TYPE_CHECKING``, anywhere.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import slimcodec

SRC = Path(slimcodec.__file__).parent
FILES = sorted(SRC.rglob("*.py"))

BOTTOM = {"errors", "types", "registry", "machine", "atomic", "settings", "showing"}
MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "types": {"errors", "showing"},
    "showing": set(),
    "machine": set(),
    "registry": {"errors"},
    "atomic": {"errors"},
    "settings": {"errors"},
    "images": BOTTOM,
    "metrics": BOTTOM,
    "stream": BOTTOM,
    "quantization": BOTTOM,
    "integers": BOTTOM,
    "graphs": BOTTOM,
    "codecs": BOTTOM | {"images", "stream", "integers", "quantization", "graphs"},
    "training": BOTTOM | {"images", "metrics", "stream", "codecs"},
    "shrink": BOTTOM | {"images", "metrics", "stream", "codecs", "training", "quantization"},
    "model_file": BOTTOM | {"codecs", "stream", "quantization"},
    "runtime": BOTTOM | {"codecs", "stream", "model_file", "quantization", "graphs"},
    "naming": BOTTOM,
    "ladder": BOTTOM | {"model_file", "naming", "runtime", "stream"},
    "fitting": BOTTOM | {"catalogue", "model_file", "shrink"},
    "readers": BOTTOM | {"model_file", "naming", "runtime", "stream"},
    "refine": BOTTOM | {"codecs", "images", "model_file", "naming", "training"},
    "library": BOTTOM
    | {
        "codecs",
        "fitting",
        "images",
        "ladder",
        "model_file",
        "naming",
        "refine",
        "runtime",
        "shrink",
    },
    "target_size": BOTTOM,
    "pictures": BOTTOM | {"images", "library", "metrics", "readers", "stream", "target_size"},
    "pillow": BOTTOM | {"images", "pictures", "stream"},
    # It knows codecs by their contract (types) and opens them by name (library).
    "bench": BOTTOM
    | {"images", "metrics", "runtime", "library", "model_file", "shrink", "target_size", ""}
    | {"integers", "catalogue", "fitting"},
    "explore": BOTTOM
    | {"images", "metrics", "codecs", "quantization", "training", "shrink", "model_file"}
    | {"runtime", "library", "bench"},
    "report": BOTTOM | {"bench", "explore", "metrics"},
    "workflows": BOTTOM
    | {"ladder", "images", "codecs", "quantization", "training", "model_file", "library", "report"}
    | {"bench", "shrink", "catalogue", "runtime"},
    "models": set(),
    "catalogue": {"errors"},
    "recipes": set(),
    "studies": set(),
    "published": set(),
}
LAST = {"demo", "cli", "__main__"}
"""The rooms that may use all others; nobody uses the last two of them."""


def room_of(module: str) -> str:
    """``slimcodec.codecs.hific`` is in ``codecs``; the package itself is in the room ``""``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def module_of(path: Path) -> str:
    parts = path.relative_to(SRC.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imports_of(path: Path) -> tuple[str, ...]:
    """Every module or name that a file imports, with its full dotted name."""
    return tuple(_imports(ast.parse(path.read_text(encoding="utf-8")), path))


def _imports(tree: ast.AST, path: Path) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module_of(path).split(".")
                above = node.level - (path.name == "__init__.py")
                base = ".".join([*package[: len(package) - above], *filter(None, [base])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def ours(path: Path) -> set[str]:
    """What it imports of ours; names that are no modules of the package count for the package."""
    names = {name for name in imports_of(path) if name.split(".")[0] == "slimcodec"}
    return {name if exists(name) or name.count(".") > 1 else "slimcodec" for name in names}


@cache
def exists(module: str) -> bool:
    path = SRC.parent.joinpath(*module.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def named(path: Path) -> str:
    return str(path.relative_to(SRC))


every_file = pytest.mark.parametrize("path", FILES, ids=named)


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(module_of(path)) for path in FILES} - {""}
    assert rooms == set(MAY_IMPORT) | LAST


@every_file
def test_imports_point_down(path: Path) -> None:
    room = room_of(module_of(path))
    wanted = {room_of(name) for name in ours(path)} - {room}
    if room in LAST | {""}:
        allowed = (set(MAY_IMPORT) | LAST | {""}) - {"cli", "__main__"}
        allowed |= {"cli"} if room == "__main__" else set()
        # The package's own file names what is public, and demo is not.
        allowed -= {"demo"} if room == "" else set()
    else:
        allowed = MAY_IMPORT[room]
    assert wanted <= allowed, f"{named(path)} may not import {sorted(wanted - allowed)}"


def test_the_reader_of_imports_finds_them(tmp_path: Path) -> None:
    """The rules are worth what this is worth."""
    path = SRC / "codecs" / "hific" / "nowhere.py"
    text = """
import torch.nn as nn
from slimcodec import registry, __version__
from slimcodec.codecs.hific.config import HificConfig
from . import prior
from ..peers import jpeg
if TYPE_CHECKING:
    import slimcodec.bench
def f():
    from slimcodec.report import page
    class C:
        import lightning_fabric
"""
    assert set(_imports(ast.parse(text), path)) == {
        "torch.nn",
        "slimcodec.registry",
        "slimcodec.__version__",
        "slimcodec.codecs.hific.config.HificConfig",
        "slimcodec.codecs.hific.prior",
        "slimcodec.codecs.peers.jpeg",
        "slimcodec.bench",
        "slimcodec.report.page",
        "lightning_fabric",
    }
    assert room_of("slimcodec.codecs.hific.config.HificConfig") == "codecs"


# Inside the rooms


BUILT_ON = {"extreme": {"hific"}}
"""A codec that is another one's transforms with something else between them."""


@pytest.mark.parametrize("path", sorted((SRC / "codecs").rglob("*.py")), ids=named)
def test_codecs_do_not_know_each_other(path: Path) -> None:
    parts = path.relative_to(SRC / "codecs").parts
    own = parts[0] if len(parts) > 1 else None
    packages = {p.name for p in (SRC / "codecs").iterdir() if (p / "__init__.py").exists()}
    known = {name.split(".")[2] for name in ours(path) if name.startswith("slimcodec.codecs.")}
    # What codecs share knows none of them.
    shared = {"latents", "torch_file", "trunk"}
    allowed = {own, *(() if own in {*shared, None} else shared)}
    assert known & packages <= allowed | BUILT_ON.get(str(own), set())


CODING = [
    path
    for path in (SRC / "codecs").rglob("*.py")
    if (
        path.stem in ("coding", "prior", "config", "codec", "rounding", "scales", "graphs")
        and path.parent.name != "codecs"
    )
    or "peers" in path.parts
]
NO_TORCH = [
    *CODING,
    *(
        path
        for path in FILES
        if room_of(module_of(path)) in BOTTOM | {"images", "stream", "graphs"}
    ),
    *(p for p in FILES if room_of(module_of(p)) == "integers" and p.stem != "torch"),
    *(path for path in FILES if room_of(module_of(path)) in {"bench", "report", "library", ""}),
    *(SRC / "model_file" / f"{name}.py" for name in ("file", "layout", "packing", "storage")),
    *(
        SRC / "runtime" / f"{n}.py"
        for n in ("base", "bundle", "bundled", "cache", "manifest", "onnx", "openvino")
    ),
    *(SRC / "runtime" / "graphs").glob("*.py"),
    SRC / "quantization" / "grids.py",
    *(SRC / "explore" / f"{name}.py" for name in ("bargains", "sensitivity_rows")),
]


@pytest.mark.parametrize("path", NO_TORCH, ids=named)
def test_no_torch_here(path: Path) -> None:
    heavy = (
        "torch",
        "torchvision",
        "lightning",
        "lightning_fabric",
        "jaxtyping",
        "onnx",
        "onnx_ir",
    )
    assert not [name for name in imports_of(path) if name.split(".")[0] in heavy]


def test_the_bench_knows_no_codec() -> None:
    for path in (SRC / "bench").rglob("*.py"):
        assert not [name for name in ours(path) if name.startswith("slimcodec.codecs")]
        text = path.read_text(encoding="utf-8")
        names = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
        # One exception, said in its docstring: BD-rates are against JPEG where it was measured.
        known = {"hific", "hific-s", "toderici", "webp", "avif", "jxl", "heic", "mozjpeg"}
        assert not names & known, named(path)


def test_the_report_sees_rows_and_aggregates_only() -> None:
    allowed: tuple[str, ...] = (
        "slimcodec.bench.rows",
        "slimcodec.bench.summary",
        "slimcodec.bench.picture_name",
        "slimcodec.bench.bd_rates",
        "slimcodec.bench.break_even",
        "slimcodec.bench.published",
        "slimcodec.bench.same_size",
    )
    allowed += ("slimcodec.explore.sensitivity_rows", "slimcodec.explore.bargains")
    below = ("slimcodec.bench", "slimcodec.explore")
    for path in (SRC / "report").rglob("*.py"):
        found = [name for name in ours(path) if name.startswith(below)]
        assert all(name.startswith(allowed) for name in found), named(path)


def test_one_training_loop() -> None:
    """Whoever steps an optimizer is in ``training``."""
    for path in FILES:
        if room_of(module_of(path)) != "training":
            calls = {
                node.attr
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute)
            }
            assert not calls & {"backward", "zero_grad"}, named(path)


# House rules


@every_file
def test_files_have_a_name_and_a_size(path: Path) -> None:
    words = {"utils", "util", "helpers", "helper", "misc", "common", "prototype"}
    assert not words & {part.removesuffix(".py") for part in path.relative_to(SRC).parts}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@every_file
def test_every_file_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text)), named(path)


# What really gets loaded


def loaded_by(statement: str) -> set[str]:
    """Top-level modules in a fresh interpreter after a statement."""
    program = f"import sys; {statement}; print(*sorted({{m.split('.')[0] for m in sys.modules}}))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_is_inert() -> None:
    loaded = loaded_by("import slimcodec")
    assert "slimcodec" in loaded
    heavy = {"torch", "numpy", "PIL", "constriction", "safetensors", "typer", "rich", "jinja2"}
    assert not loaded & heavy


@pytest.mark.parametrize(
    "module",
    [
        "slimcodec.library",
        "slimcodec.bench",
        "slimcodec.report",
        "slimcodec.cli",
        "slimcodec.codecs.latents.codec",
    ],
)
def test_no_torch_is_loaded_before_a_network_is_needed(module: str) -> None:
    loaded = loaded_by(f"import {module}")
    assert not loaded & {"torch", "lightning_fabric", "tensorboard", "jaxtyping", "scipy"}


def test_the_public_names() -> None:
    assert len(set(slimcodec.__all__)) == len(slimcodec.__all__)
    for name in slimcodec.__all__:
        assert getattr(slimcodec, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = slimcodec.no_such_name
