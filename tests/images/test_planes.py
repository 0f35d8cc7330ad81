"""Pictures to planes and back: every level comes back, and what is padded is cut off."""

from __future__ import annotations

import numpy as np

from slimcodec.images import from_planes, to_planes


def test_every_level_comes_back() -> None:
    image = np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3)
    planes = to_planes(image)
    assert planes.shape == (1, 3, 16, 16)
    assert planes.dtype == np.float32
    assert (planes[0] == image.transpose(2, 0, 1) / np.float32(255)).all()
    assert (from_planes(planes, 16, 16) == image).all()


def test_what_lies_beyond_is_cut_off() -> None:
    planes = np.array([-3e38, -0.1, 0.0, 0.4999 / 255, 1.0, 1.1, 3e38], np.float32)
    found = from_planes(np.tile(planes, (1, 3, 2, 1)), 1, 7)
    assert found.shape == (1, 7, 3)
    assert found.flags.c_contiguous
    assert (found == np.array([0, 0, 0, 0, 255, 255, 255])[:, None]).all()


def test_the_given_planes_stay_as_they_are() -> None:
    planes = np.full((1, 3, 4, 4), 2.0, np.float32)
    from_planes(planes, 3, 2)
    assert (planes == 2).all()
