"""Names to things, without importing the things.

An entry is a ``"module:attribute"`` string, so listing a registry imports nothing and a codec whose
library is missing hurts only those who ask for it. Third parties add entries through the entry
point groups ``slimcodec.codecs``, ``slimcodec.families``, ``slimcodec.objectives``,
``slimcodec.passes``, ``slimcodec.metrics`` and ``slimcodec.runtimes``.
"""

from __future__ import annotations

import importlib
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from slimcodec.errors import UnknownNameError

__all__ = ["Registry", "codecs", "families", "metrics", "objectives", "passes", "runtimes"]


class Registry:
    """A strict, lazy table of names.

    Args:
        kind: what the entries are, in the singular; it appears in error messages.
        entries: name to ``"module:attribute"``.

    Raises:
        ValueError: when a name is registered twice.
    """

    def __init__(self, kind: str, entries: Mapping[str, str]) -> None:
        self.kind = kind
        self._entries = dict(entries)
        self._scanned, self._scanning = False, threading.Lock()

    def register(self, name: str, target: str) -> None:
        """Add one entry; a second one of the same name is an error, never a replacement."""
        if name in self._entries:
            raise ValueError(
                f"{self.kind} {name!r} is registered twice: {self._entries[name]}, {target}"
            )
        self._entries[name] = target

    def target(self, name: str) -> str:
        """The ``"module:attribute"`` behind a name.

        Raises:
            UnknownNameError: naming the near ones.
        """
        if name not in self:
            raise UnknownNameError(self.kind, name, self._all())
        return self._entries[name]

    def get(self, name: str) -> Any:
        """Import and return what a name stands for."""
        module, _, attribute = self.target(name).partition(":")
        return getattr(importlib.import_module(module), attribute)

    def __contains__(self, name: object) -> bool:
        # Third parties are asked only for names that are not known: looking for them takes longer
        # than decoding an image header.
        return name in self._entries or name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, str]:
        with self._scanning:
            if not self._scanned:
                from importlib import metadata

                self._scanned = True
                for entry in metadata.entry_points(group=f"slimcodec.{_plural(self.kind)}"):
                    self.register(entry.name, entry.value)
        return self._entries


def _plural(kind: str) -> str:
    return {"family": "families", "pass": "passes"}.get(kind, kind + "s")


codecs = Registry(
    "codec",
    {
        "jpeg": "slimcodec.codecs.peers.jpeg:Jpeg",
        "webp": "slimcodec.codecs.peers.webp:WebP",
        "avif": "slimcodec.codecs.peers.avif:Avif",
        "jxl": "slimcodec.codecs.peers.jxl:JpegXl",
        "heic": "slimcodec.codecs.peers.heic:Heic",
        "jpeg2000": "slimcodec.codecs.peers.jpeg2000:Jpeg2000",
        "mozjpeg": "slimcodec.codecs.peers.mozjpeg:MozJpeg",
        "jpeg-regions": "slimcodec.codecs.regions:JpegRegions",
    },
)
"""Codecs that need no model file. Model files add theirs by name or path (``slimcodec.load``)."""

families = Registry(
    "family",
    {
        "compact": "slimcodec.codecs.compact:family",
        "compressai": "slimcodec.codecs.compressai:family",
        "extreme": "slimcodec.codecs.extreme:family",
        "hific": "slimcodec.codecs.hific:family",
        "restore": "slimcodec.codecs.restore:family",
        "toderici": "slimcodec.codecs.toderici:family",
        "vq": "slimcodec.codecs.vq:family",
    },
)
"""Learned codecs: what turns a model file's weights into a codec."""

objectives = Registry(
    "objective",
    {
        "rate-distortion": ("slimcodec.training.objectives.rate_distortion:RateDistortionSettings"),
        "perception": "slimcodec.training.objectives.perception:PerceptionSettings",
        "progressive": "slimcodec.training.objectives.progressive:ProgressiveSettings",
        "compaction": "slimcodec.training.objectives.compaction:CompactionSettings",
        "restoration": "slimcodec.training.objectives.restoration:RestorationSettings",
        "distillation": "slimcodec.training.objectives.distillation:DistillationSettings",
    },
)
"""What training can minimise: the settings of each, which build it. A family says which of them
it can be trained for."""

passes = Registry(
    "pass",
    {
        "correct-tone": "slimcodec.shrink.correct_tone:CorrectTone",
        "distil": "slimcodec.shrink.distil:Distil",
        "finetune": "slimcodec.shrink.finetune:Finetune",
        "prune": "slimcodec.shrink.prune:Prune",
        "prune-channels": "slimcodec.shrink.prune_channels:PruneChannels",
        "quantize": "slimcodec.shrink.quantize:Quantize",
    },
)

metrics = Registry(
    "metric",
    {
        "psnr": "slimcodec.metrics.psnr:Psnr",
        "ssim": "slimcodec.metrics.ssim:Ssim",
        "ms-ssim": "slimcodec.metrics.ssim:MsSsim",
        "ssimulacra2": "slimcodec.metrics.ssimulacra2:Ssimulacra2",
        "lpips": "slimcodec.metrics.lpips:Lpips",
        "delta-e": "slimcodec.metrics.delta_e:DeltaE",
    },
)

runtimes = Registry(
    "runtime",
    {
        "torch": "slimcodec.runtime.torch:TorchRuntime",
        "onnx": "slimcodec.runtime.onnx:OnnxRuntime",
        "openvino": "slimcodec.runtime.openvino:OpenVinoRuntime",
    },
)
