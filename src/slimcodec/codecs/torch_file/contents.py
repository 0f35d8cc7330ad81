"""What of a checkpoint's contents are its weights, and what are its settings.

People save a bare state dictionary, one in a dictionary beside an optimizer, one of a network that
was wrapped to run on several GPUs or was compiled, or the network itself. Settings are a
dictionary, a namespace, a class of their own. All of these are taken; what is plain in them is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slimcodec.codecs.torch_file.pickles import LONGEST_NAME, Named, Record
from slimcodec.codecs.torch_file.tensors import Tensor, bytes_of, numpy_dtype, tensor_of
from slimcodec.errors import CheckpointError

__all__ = ["plain", "settings_of", "weights_of"]

Array = Tensor | NDArray[Any]

_WRAPPERS = (
    "model_state_dict", "state_dict", "network", "model", "net", "weights", "params", "module",
    "model_state", "ema_state_dict",
)  # fmt: skip
"""Keys under which weights are kept, the usual first."""
_SETTINGS = ("args", "hyper_parameters", "hparams", "config", "cfg", "opt", "options")
_DICTIONARIES = {"collections.OrderedDict", "collections.defaultdict", "collections.Counter"}
_PARALLEL = {"module", "_orig_mod"}
"""Segments of names that wrapping a network for several GPUs, or compiling it, adds."""
_ADDED = {"n_averaged"}
"""What averaging weights adds to them."""
_OUTER = ("model.", "net.", "network.")
_DEEPEST = 8
_PATHS = {
    f"pathlib.{place}{kind}"
    for place in ("", "_local.")
    for kind in ("Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath")
}
_SCALARS = {f"numpy.{core}.multiarray.scalar" for core in ("core", "_core")}


def weights_of(content: Any) -> dict[str, Array]:
    """The named tensors of a checkpoint, under the names that the bare network has.

    Raises:
        CheckpointError: when there are none, or what is among them is no plain array of numbers.
    """
    state = _state_of(content, 0, set())
    if state is None:
        raise CheckpointError(_what_instead(content))
    found: dict[str, Array] = {}
    made: dict[int, Array | None] = {}  # one array under many names is read once
    for name, value in state.items():
        if id(value) not in made:
            made[id(value)] = tensor_of(value)
        tensor = made[id(value)]
        if tensor is None:
            if isinstance(value, Record) and isinstance(name, str):
                raise CheckpointError(_no_array(name, value))
            continue
        if not isinstance(name, str) or name in _ADDED:
            continue
        if isinstance(tensor, Tensor):
            tensor.check(name)
        bare = ".".join(word for word in name.split(".") if word not in _PARALLEL)
        if bare in found:
            raise CheckpointError(f"it has two tensors of the name {bare}")
        found[bare] = tensor
    for outer in _OUTER:
        if found and all(name.startswith(outer) for name in found):
            found = {name.removeprefix(outer): tensor for name, tensor in found.items()}
    return found


def settings_of(content: Any) -> dict[str, Any]:
    """A checkpoint's settings by name, values as they are (see ``plain``); maybe none."""
    items = _items(content) or {}
    for key in _SETTINGS:
        if (found := fields_of(items.get(key))) is not None:
            return found
    return {}


def fields_of(value: Any) -> dict[str, Any] | None:
    """The fields of a dictionary, of a namespace or of an object; None of anything else."""
    items = _items(value)
    if items is None and isinstance(value, Record):
        state = value.state
        if type(state) is tuple and len(state) == 2:  # an object with slots
            merged = {**(_items(state[0]) or {}), **(_items(state[1]) or {})}
            state = merged or None
        items = _items(state) or value.items or None
    if items is None:
        return None
    return {name: own for name, own in items.items() if isinstance(name, str)}


def plain(value: Any) -> Any:
    """A setting as a number, a text, a truth or None; what is none of these stays what it is.

    A path becomes its text, a number of numpy's a number, a member of an enumeration its value.
    """
    if not isinstance(value, Record):
        return value
    arguments = value.arguments
    if value.name in _PATHS and all(type(part) is str for part in arguments):
        return "/".join(arguments)
    if value.name in _SCALARS:
        match arguments:
            case (Record(name="numpy.dtype") as kind, data):
                form, number = numpy_dtype(kind), bytes_of(data)
                if form is not None and number is not None and len(number) == form.itemsize:
                    return np.frombuffer(number, form)[0].item()
        return value
    if len(arguments) == 1 and not isinstance(arguments[0], tuple | list | dict | Record | Named):
        nothing_else = value.state is None and not value.items and not value.entries
        return arguments[0] if nothing_else else value
    return value


def told(value: Any) -> str:
    """A setting in words, for an error."""
    if isinstance(value, Record | Named):
        return f"a {value.name:.60}"
    if value is None or isinstance(value, str | int | float | bool):
        return f"{value!r:.60}"
    return f"a {type(value).__name__}"


def from_texts(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Settings that a file holds as texts: numbers and truths among them are taken as such."""
    found: dict[str, Any] = {}
    for name, text in metadata.items():
        try:
            found[name] = json.loads(text)
        except (ValueError, RecursionError):
            found[name] = text
    return found


def _state_of(content: Any, depth: int, seen: set[int]) -> Mapping[Any, Any] | None:
    """The innermost mapping that holds tensors itself; ``seen`` are those that do not."""
    if id(content) in seen:
        return None
    seen.add(id(content))
    if isinstance(content, Record) and (module := _module_state(content)):
        return module
    items = _items(content)
    if items is None or depth > _DEEPEST:
        return None
    if any(isinstance(value, Tensor | Record) and _is_array(value) for value in items.values()):
        return items
    for key in _WRAPPERS:
        if key in items and (found := _state_of(items[key], depth + 1, seen)) is not None:
            return found
    return None


def _is_array(value: Any) -> bool:
    return tensor_of(value) is not None or (
        isinstance(value, Record) and value.name.startswith("torch._utils._rebuild")
    )


def _items(value: Any) -> dict[Any, Any] | None:
    if isinstance(value, dict):
        return value
    if not isinstance(value, Record):
        return None
    if value.name in _DICTIONARIES:
        return value.items or _of_pairs(value.arguments)
    return value.items or None


def _of_pairs(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Of a dictionary that Python 2 wrote: a list of lists of two."""
    pairs = arguments[0] if len(arguments) == 1 and isinstance(arguments[0], list) else []
    fitting = all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in pairs
    )
    return {name: value for name, value in pairs} if fitting else {}


def _module_state(record: Record) -> dict[str, Any]:
    """The state dictionary of a pickled network, whose class is not here: names of its parameters
    and buffers, as torch makes them."""
    found: dict[str, Any] = {}
    left: list[tuple[str, Any, int]] = [("", record, 0)]
    seen: set[int] = set()
    while left:
        prefix, own, depth = left.pop()
        fields = _items(own.state) if isinstance(own, Record) else None
        if fields is None or "_modules" not in fields or id(own) in seen or depth > 2 * _DEEPEST:
            continue
        seen.add(id(own))
        for kind in ("_parameters", "_buffers"):
            for name, value in (_items(fields.get(kind)) or {}).items():
                if value is not None:
                    found[f"{prefix}{name}"] = value
        modules = fields["_modules"]
        if id(modules) in seen or len(prefix) > LONGEST_NAME:
            continue
        seen.add(id(modules))
        for name, module in (_items(modules) or {}).items():
            left.append((f"{prefix}{name}.", module, depth + 1))
    return found


def _no_array(name: str, value: Record) -> str:
    if value.name.startswith(("torch._utils._rebuild", "torch._tensor.")):
        return f"{name} is not a plain array of numbers"
    return f"{name} is not a plain array of numbers, but would be made by {value.name:.80}"


def _what_instead(content: Any) -> str:
    items = _items(content)
    if items is None:
        kind = content.name if isinstance(content, Record) else type(content).__name__
        return f"it holds a {kind:.80}, not a checkpoint dictionary"
    named = [name for name in items if isinstance(name, str)]
    if not items:
        return "it is empty: a dictionary without tensors"
    for name in _WRAPPERS:
        if isinstance(items.get(name), Record) and not items[name].items:
            return f"its {name} would be made by {items[name].name:.80}; it holds no tensors"
    shown = ", ".join(f"{name:.40}" for name in named[:6]) + (" ..." if len(named) > 6 else "")
    return (
        f"it has no tensors under the names that checkpoints have ({', '.join(_WRAPPERS[:4])}); it "
        f"has {shown or 'names that are no words'}"
    )
