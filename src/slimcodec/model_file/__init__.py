"""Model files (``.slim``): one file holding a manifest, weights and frozen integers. No pickle."""

from slimcodec.model_file.file import file_bytes, load, read_manifest, save
from slimcodec.model_file.model import FAITHFUL, NATURAL, Model, freeze_network, thaw_network

__all__ = [
    "FAITHFUL",
    "NATURAL",
    "Model",
    "file_bytes",
    "freeze_network",
    "load",
    "read_manifest",
    "save",
    "thaw_network",
]
