"""A file of jpeg-regions in a browser: as large, and of the same pixels as everywhere."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slimcodec.codecs.regions import JpegRegions
from slimcodec.types import Image

pytestmark = pytest.mark.slow

_PIXELS = """async (url) => {
  const image = new Image(); image.src = url; await image.decode();
  const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
  const context = canvas.getContext('2d'); context.drawImage(image, 0, 0);
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.height, canvas.width, Array.from(data)];
}"""


def test_it_shows_what_pillow_shows(browser: Any, picture: Callable[..., Image]) -> None:
    image = picture(70, 90)
    mask = np.zeros((70, 90), np.uint8)
    mask[20:50, 10:40] = 255
    codec = JpegRegions().masked(mask)
    file = codec.encode(image, 60)
    page = browser.new_page()
    url = "data:image/jpeg;base64," + base64.b64encode(file).decode()
    height, width, data = page.evaluate(_PIXELS, url)
    page.close()
    assert (height, width) == (70, 90)
    shown = np.array(data).reshape(height, width, 4)[:, :, :3]
    assert np.abs(shown - codec.decode(file).astype(int)).mean() < 0.5
