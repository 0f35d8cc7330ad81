"""Model files (``.slim``): one file holding a manifest, weights and frozen integers. No pickle."""

from slimcodec.model_file.file import file_bytes, files_of, load, read_manifest, save
from slimcodec.model_file.layout import HALF, PRECISIONS, SINGLE, Contents
from slimcodec.model_file.model import FAITHFUL, NATURAL, Model, freeze_network, thaw_network
from slimcodec.model_file.storage import Storage, storage_of

__all__ = [
    "FAITHFUL",
    "HALF",
    "NATURAL",
    "PRECISIONS",
    "SINGLE",
    "Contents",
    "Model",
    "Storage",
    "file_bytes",
    "files_of",
    "freeze_network",
    "load",
    "read_manifest",
    "save",
    "storage_of",
    "thaw_network",
]
