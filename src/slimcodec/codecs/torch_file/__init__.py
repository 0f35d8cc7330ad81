"""Reading a checkpoint that somebody else wrote, without running anything in it.

A torch file is tensors and a pickle, and a pickle is a program. ``pickles`` reads it and runs
nothing, ``tensors`` reads numbers within what the file holds, ``contents`` says what are weights
and what are settings, ``files`` knows the files that there are: torch's, those of before 2020 among
them, and safetensors.
"""

from slimcodec.codecs.torch_file.contents import plain, told
from slimcodec.codecs.torch_file.files import Checkpoint, read_checkpoint_file
from slimcodec.codecs.torch_file.loading import (
    check_finite,
    check_setting,
    check_shapes,
    filled,
    listed,
    truth_setting,
)

__all__ = [
    "Checkpoint",
    "check_finite",
    "check_setting",
    "check_shapes",
    "filled",
    "listed",
    "plain",
    "read_checkpoint_file",
    "told",
    "truth_setting",
]
