"""What each tensor of a model file costs: bytes in the file, beside the fewest there could be.

Read off the histograms of a packed file, so a model of 1.8e8 weights is listed without decoding
one. The plain tensors of a format 1 file are packed to see what format 2 would make of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from slimcodec.model_file.file import (
    base_path,
    claims_of,
    grids_of,
    opened,
    saying,
    taken,
)
from slimcodec.model_file.layout import FROZEN, PRECISIONS, STEP, WEIGHT
from slimcodec.model_file.packing import PACKED_TYPES, Summary, pack, summarise

__all__ = ["Storage", "storage_of"]

_PRECISIONS = {np.dtype(kind).name: name for name, kind in PRECISIONS.items()}


@dataclass(frozen=True)
class Storage:
    """How one tensor of a model is stored.

    Attributes:
        name: for example ``"generator.head.weight"``; of frozen integers with ``frozen/`` before.
        part: ``"generator"``, or ``"frozen"``.
        kind: ``"half"``, ``"single"``, ``"int8"``, ``"int4"``, ..., ``"table4"`` where levels of
            four bits lie in a table; of frozen integers their type.
        elements: values.
        nonzero: of them, those that are not zero.
        stored_bytes: in the file; steps count with their integers.
        bound_bytes: what an ideal coder of single values needs, who has histograms and steps for
            free.
        in_base: whether it lies in the file that this one builds on.
    """

    name: str
    part: str
    kind: str
    elements: int
    nonzero: int
    stored_bytes: int
    bound_bytes: float
    in_base: bool

    @property
    def bits_per_weight(self) -> float:
        """Of the file; none of no weights."""
        return 8 * self.stored_bytes / max(1, self.elements)


def storage_of(path: Path) -> list[Storage]:
    """How each tensor is stored, those of the file that this one builds on among them.

    Raises:
        ModelFileError: as ``read_manifest`` does, or where a tensor cannot be what it claims to be.
    """
    pieces = {}
    with opened(path) as (manifest, file):
        own = set(file.keys())
        for name in own:
            pieces[name] = _piece(path, manifest, file, name)
    if base := manifest.get("base"):
        found = base_path(path, base)
        with opened(found) as (below, file):
            for name in taken(path, manifest, own, file):
                pieces[name] = _piece(found, below, file, name)
    grids, rows = grids_of(path, manifest), []
    for stored, (size, dtype, summary) in sorted(pieces.items()):
        if stored.startswith(STEP):
            continue
        name, kind = stored.removeprefix(WEIGHT), _PRECISIONS.get(dtype, dtype)
        if stored.startswith(WEIGHT) and name in grids:
            kind = f"{'table' if 'table' in grids[name] else 'int'}{grids[name]['bits']}"
            size += pieces[STEP + name][0] if STEP + name in pieces else 0
        rows.append(
            Storage(
                name=name,
                part="frozen" if stored.startswith(FROZEN) else name.split(".")[0],
                kind=kind,
                elements=summary.elements,
                nonzero=summary.nonzero,
                stored_bytes=size,
                bound_bytes=summary.entropy_bits / 8,
                in_base=stored not in own,
            )
        )
    return rows


def _piece(
    path: Path, manifest: Mapping[str, Any], file: Any, name: str
) -> tuple[int, str, Summary]:
    """Bytes, type and summary of what a file has under a name."""
    array, claim = file.get_tensor(name), claims_of(manifest).get(name)
    if claim is None:
        claim = {"dtype": array.dtype.name, "shape": array.shape}
        if array.dtype.name not in PACKED_TYPES:
            nonzero = int(np.count_nonzero(array))
            return array.nbytes, array.dtype.name, Summary(array.size, nonzero, 8.0 * array.nbytes)
        blob = pack(array)
    else:
        blob = array
    with saying(f"{path}: {name}"):
        return array.nbytes, claim["dtype"], summarise(blob, claim["dtype"], claim["shape"])
