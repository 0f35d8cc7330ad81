"""Model files (``.slim``): one file holding a manifest, weights and frozen integers. No pickle."""

from slimcodec.model_file.file import load, read_manifest, save
from slimcodec.model_file.model import Model, freeze_network, thaw_network

__all__ = ["Model", "freeze_network", "load", "read_manifest", "save", "thaw_network"]
