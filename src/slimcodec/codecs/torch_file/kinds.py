"""Files that are no checkpoint of torch's, told by how they begin."""

from __future__ import annotations

from collections.abc import Collection

__all__ = ["archive_kind", "file_kind"]

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS: `git lfs pull` fetches the file itself"),
    (b"\x89HDF", "HDF5 (Keras, MATLAB), which is not read; save the network's state dictionary"),
    (b"\x1f\x8b", "compressed with gzip; unpack it first"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ", "compressed with xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive; unpack it first"),
    (b"Rar!", "a RAR archive; unpack it first"),
    (b"\x93NUMPY", "an array of numpy's, without names"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GGUF", "GGUF, which is not read; save the network's state dictionary"),
)
_TENSORFLOW = (
    "of TensorFlow, whose checkpoints are not read; use a port to PyTorch of the same weights"
)


def file_kind(head: bytes, name: str) -> str | None:
    """What a file is, by its first bytes and its name; None where that is not known."""
    text = head[:200].lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        return "a web page: the download gave that instead of the file"
    for beginning, kind in _BEGINNINGS:
        if head.startswith(beginning):
            return kind
    if head[257:262] == b"ustar":
        return (
            "a tar archive; unpack it first, or where torch 0.1 wrote it, save it again with torch"
        )
    if name.endswith((".index", ".meta", ".pb", ".tfci", ".h5")) or ".data-0" in name:
        return _TENSORFLOW
    if b"onnx" in head[:64] or name.endswith(".onnx"):
        return "a graph in ONNX, whose weights have no names; take what it was exported from"
    return None


def archive_kind(names: Collection[str]) -> str | None:
    """What a zip is that holds no checkpoint, by the names in it; None where that is not known."""
    last = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in last:
        return "a TorchScript program; save the network's state dictionary instead"
    if last and all(name.endswith(".npy") for name in last):
        return "arrays of numpy's; save the network's state dictionary with torch"
    inner = sorted(name for name in last if name.endswith((".pt", ".pth", ".ckpt", ".tar")))
    if inner:
        return f"a zip with {inner[0]:.80} in it; unpack it first"
    return None
