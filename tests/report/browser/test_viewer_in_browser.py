"""The viewer of pictures, by mouse, keys and touch, against the pictures that it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from slimcodec.metrics.delta_e import delta_e_2000, srgb_to_lab

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
Kept = Callable[..., np.ndarray]

SEEN = """name => {
  const layer = [...document.querySelectorAll(`.pane-${name} > *`)].filter(
    (each) => !each.hidden && getComputedStyle(each).visibility === "visible");
  return layer.map((each) => each.dataset.id ?? "map");
}"""


@pytest.fixture
def stage(open_page: Open) -> Any:
    page = open_page()
    page.locator(".stage").scroll_into_view_if_needed()
    return page.locator(".stage")


def state(stage: Any) -> dict[str, Any]:
    """What a link to what is shown says."""
    page = stage.page
    page.wait_for_function("document.querySelector('#viewer:not([hidden])')")
    stage.page.wait_for_timeout(250)  # the address follows a moment later
    return dict(page.evaluate("Object.fromEntries(new URLSearchParams(location.hash.slice(1)))"))


def place_of(stage: Any, which: str) -> dict[str, float]:
    """Where a pane's picture is, in the window."""
    return dict(stage.page.evaluate(
        "which => document.querySelector(`.pane-${which} img`).getBoundingClientRect().toJSON()",
        which,
    ))  # fmt: skip


def middle(box: dict[str, float]) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def choose(stage: Any, mode: str) -> None:
    stage.page.click(f"button[data-mode={mode}]")


def test_it_opens_with_the_original_and_the_leading_codec(stage: Any) -> None:
    page = stage.page
    assert page.input_value("[data-pick=a]") == "original"
    assert page.input_value("[data-pick=b]").startswith("tiny@")
    assert page.get_attribute("button[data-mode=slider]", "aria-pressed") == "true"
    names = page.locator("[data-pick=b] option").evaluate_all("all => all.map((one) => one.value)")
    assert len(names) == 13 and "jpeg@80" in names
    row = page.locator(".pair tbody tr").nth(1).inner_text()
    assert "tiny" in row and "dB" in row and "bpp" in row


def test_the_slider_moves_by_mouse_and_keys(stage: Any) -> None:
    page = stage.page
    divider = stage.locator(".divider")
    x, y = middle(divider.bounding_box())
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 300, y, steps=4)
    page.mouse.up()
    box = stage.bounding_box()
    now = 100 * (x - 300 - box["x"]) / box["width"]
    assert float(divider.get_attribute("aria-valuenow")) == pytest.approx(now, abs=0.6)
    clip = page.locator(".pane-a").evaluate("pane => getComputedStyle(pane).clipPath")
    assert float(clip.split()[1].rstrip("%")) == pytest.approx(100 - now, abs=0.5)
    before = int(divider.get_attribute("aria-valuenow"))
    divider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert int(divider.get_attribute("aria-valuenow")) == before + 4
    page.keyboard.press("End")
    assert divider.get_attribute("aria-valuenow") == "100"


def test_zoom_is_exact_and_not_smoothed(stage: Any) -> None:
    page = stage.page
    page.click("[data-zoom='4']")
    assert place_of(stage, "b")["width"] == pytest.approx(4 * 416)
    layer = page.locator(".pane-b img").first
    assert layer.evaluate("image => getComputedStyle(image).imageRendering") == "pixelated"
    stage.focus()
    page.keyboard.press("+")
    assert place_of(stage, "b")["width"] == pytest.approx(6 * 416)
    page.keyboard.press("0")
    assert page.get_attribute("[data-zoom=fit]", "aria-pressed") == "true"


def test_a_picture_made_smaller_is_smoothed(open_page: Open) -> None:
    page = open_page(viewport={"width": 390, "height": 800})
    assert place_of(page.locator(".stage"), "b")["width"] < 416
    layer = page.locator(".pane-b img").first
    assert layer.evaluate("image => getComputedStyle(image).imageRendering") == "auto"


def test_the_wheel_zooms_around_the_pointer_once_the_picture_is_focused(stage: Any) -> None:
    page = stage.page
    box = stage.bounding_box()
    x, y = box["x"] + 0.6 * box["width"], box["y"] + 0.4 * box["height"]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    page.wait_for_timeout(50)
    assert page.get_attribute("[data-zoom=fit]", "aria-pressed") == "true"
    stage.focus()
    page.click("[data-zoom='2']")
    stage.focus()
    box = stage.bounding_box()
    x, y = box["x"] + 0.55 * box["width"], box["y"] + 0.45 * box["height"]
    before = place_of(stage, "b")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    page.wait_for_timeout(50)
    after = place_of(stage, "b")
    assert after["width"] > 1.5 * before["width"]
    for start, extent, at in (("x", "width", x), ("y", "height", y)):
        share = (at - before[start]) / before[extent]
        assert (at - after[start]) / after[extent] == pytest.approx(share, abs=0.003)


def test_both_pictures_pan_together(stage: Any) -> None:
    page = stage.page
    choose(stage, "side")
    page.click("[data-zoom='8']")
    first = {which: place_of(stage, which) for which in "ab"}
    box = stage.bounding_box()
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 40, box["y"] + 170, steps=3)
    page.mouse.up()
    for which in "ab":
        after = place_of(stage, which)
        assert after["x"] - first[which]["x"] == pytest.approx(-60, abs=1.5)
        assert after["y"] - first[which]["y"] == pytest.approx(70, abs=1.5)
    stage.focus()
    page.keyboard.press("ArrowRight")
    moved = [place_of(stage, w)["x"] - first[w]["x"] for w in "ab"]
    assert moved[0] == pytest.approx(moved[1]) and moved[0] < -100


def test_holding_shows_the_original_and_letting_go_does_not(stage: Any) -> None:
    page = stage.page
    page.select_option("[data-pick=a]", "jpeg@10")
    name = page.input_value("[data-pick=b]")
    assert page.evaluate(SEEN, "b") == [f"shot-0-{name}"]
    x, y = middle(page.locator("[data-do=original]").bounding_box())
    page.mouse.move(x, y)
    page.mouse.down()
    assert page.evaluate(SEEN, "a") == page.evaluate(SEEN, "b") == ["shot-0-original"]
    page.mouse.up()
    assert page.evaluate(SEEN, "a") == ["shot-0-jpeg@10"]
    stage.focus()
    page.keyboard.down("o")
    assert page.evaluate(SEEN, "b") == ["shot-0-original"]
    page.keyboard.up("o")
    assert page.evaluate(SEEN, "b") == [f"shot-0-{name}"]


def test_flipping_shows_one_of_two(stage: Any) -> None:
    page = stage.page
    choose(stage, "flip")
    assert page.evaluate(SEEN, "a") == []
    stage.focus()
    page.keyboard.press("Space")
    assert page.evaluate(SEEN, "a") == ["shot-0-original"]
    stage.click(position={"x": 200, "y": 200})
    assert page.evaluate(SEEN, "a") == []


@pytest.mark.parametrize("mode", ["error", "delta"])
def test_maps_are_what_python_computes(stage: Any, kept_picture: Kept, mode: str) -> None:
    page = stage.page
    page.select_option("[data-pick=a]", "webp@5")
    page.select_option("[data-pick=b]", "jpeg@10")
    choose(stage, mode)
    page.wait_for_function("document.querySelector('.map').dataset.ready")
    shown = page.evaluate(
        "() => { const map = document.querySelector('.map'); return [map.width, map.height, "
        "...map.getContext('2d').getImageData(0, 0, map.width, map.height).data]; }"
    )
    drawn = np.array(shown[2:]).reshape(shown[1], shown[0], 4)[..., :3]
    box = crop_of(page)
    a, b = (cut(kept_picture(name, image_name(page)), box) for name in ("webp@5", "jpeg@10"))
    if mode == "error":
        luma = np.abs((a.astype(float) - b) @ [0.299, 0.587, 0.114])
        wanted = np.minimum(np.rint(8 * luma), 255)[..., None].repeat(3, axis=2)
        assert f"mean {luma.mean():.2f}" in page.inner_text(".ramp-found")
    else:
        values = delta_e_2000(srgb_to_lab(a), srgb_to_lab(b))
        stops = colours_of(page.locator(".ramp-colours"))
        places = np.clip(values / 10, 0, 1) * (len(stops) - 1)
        wanted = np.stack(
            [np.interp(places, range(len(stops)), stops[:, n]) for n in range(3)], axis=-1
        )
        assert f"mean {values.mean():.2f}" in page.inner_text(".ramp-found")
    assert np.abs(drawn - wanted).max() <= 1.5
    assert np.ptp(drawn) > 50  # there is something to see


def test_where_they_differ_most_is_found(stage: Any, kept_picture: Kept) -> None:
    page = stage.page
    page.select_option("[data-pick=b]", "jpeg@10")
    page.click("[data-do=spot]")
    box = crop_of(page)
    shown = state(stage)
    a, b = (
        cut(kept_picture(n, image_name(page)), box).astype(int) for n in ("original", "jpeg@10")
    )
    error = ((a - b) ** 2).sum(axis=2)
    sums = np.lib.stride_tricks.sliding_window_view(error, (96, 96)).sum(axis=(2, 3))
    top, left = np.unravel_index(sums.argmax(), sums.shape)
    # In the middle, or as near to it as the edge of the crop lets the view go.
    zoom, pane = float(shown["zoom"]), stage.bounding_box()
    for found, start, extent, room, begin in (
        (float(shown["x"]), left, box[2], pane["width"] / zoom, box[0]),
        (float(shown["y"]), top, box[3], pane["height"] / zoom, box[1]),
    ):
        middle_of_box = extent / 2 if room >= extent else None
        held = middle_of_box or min(max(start + 48, room / 2), extent - room / 2)
        assert found == pytest.approx(begin + held, abs=1)
    assert zoom > 1


def test_a_link_restores_what_is_shown(stage: Any, open_page: Open) -> None:
    page = stage.page
    page.locator(".film button").nth(1).click()
    page.select_option("[data-pick=a]", "webp@60")
    page.select_option("[data-pick=b]", "tiny@2")
    choose(stage, "side")
    page.click("[data-zoom='8']")
    stage.focus()
    page.keyboard.press("ArrowRight")
    wanted = state(stage)
    assert {wanted[key] for key in ("a", "b", "mode", "zoom")} == {"webp@60", "tiny@2", "side", "8"}
    where = place_of(stage, "a")
    other = open_page(page.evaluate("location.hash"))
    stage2 = other.locator(".stage")
    assert other.input_value("[data-pick=a]") == "webp@60"
    assert other.input_value("[data-pick=b]") == "tiny@2"
    assert other.get_attribute("button[data-mode=side]", "aria-pressed") == "true"
    again = place_of(stage2, "a")
    assert again["x"] == pytest.approx(where["x"], abs=1)
    assert again["width"] == where["width"] == pytest.approx(8 * natural_width(other))


def test_a_link_with_nonsense_is_left_alone(open_page: Open) -> None:
    page = open_page("#picture=alps.png&a=nothing&b=%00&mode=loud&zoom=-3&x=NaN&split=1e9")
    assert page.input_value("[data-pick=a]") == "original"
    assert page.get_attribute("button[data-mode=slider]", "aria-pressed") == "true"
    assert page.get_attribute(".divider", "aria-valuenow") == "100"
    assert open_page("#picture=gone").get_attribute(".divider", "aria-valuenow") == "50"


def test_the_link_is_copied(stage: Any) -> None:
    page = stage.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    choose(stage, "flip")
    page.click("[data-do=link]")
    page.wait_for_function("document.querySelector('.said').textContent")
    assert page.inner_text(".said") == "The link is copied."
    assert "mode=flip" in page.evaluate("navigator.clipboard.readText()")


def test_a_crop_leads_to_the_viewer(open_page: Open) -> None:
    page = open_page()
    page.click(".crops > summary")
    page.locator(".crops .plate").nth(1).locator("a").last.click()
    page.wait_for_function("document.activeElement.matches('.stage')")
    assert page.input_value("[data-pick=b]").startswith("webp@")
    assert page.locator(".film button").nth(1).get_attribute("aria-pressed") == "true"


def test_two_fingers_zoom_and_one_pans(open_page: Open) -> None:
    page = open_page(viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    x, y = middle(box)
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    before = place_of(stage, "b")
    touch("touchStart", (x - 30, y), (x + 30, y))
    for step in (60, 90, 120):
        touch("touchMove", (x - step, y), (x + step, y))
    touch("touchEnd")
    pinched = place_of(stage, "b")
    assert pinched["width"] == pytest.approx(4 * before["width"], rel=0.05)
    page.click("button[data-mode=flip]")
    pinched = place_of(stage, "b")
    touch("touchStart", (x, y))
    for step in (20, 40, 60):
        touch("touchMove", (x - step, y))
    touch("touchEnd")
    assert place_of(stage, "b")["x"] == pytest.approx(pinched["x"] - 60, abs=3)


def colours_of(ramp: Any) -> np.ndarray:
    """The stops of a gradient."""
    words = ramp.evaluate("ramp => getComputedStyle(ramp).backgroundImage")
    found = re.findall(r"rgb\((\d+), (\d+), (\d+)\)", words)
    return np.array(found, dtype=float)


def image_of(page: Any) -> int:
    """Which of the images is shown."""
    data = json.loads(page.locator("#viewer-data").text_content())
    return [each["image"] for each in data].index(image_name(page))


def image_name(page: Any) -> str:
    return str(page.locator(".pair thead th").first.inner_text())


def crop_of(page: Any) -> list[int]:
    """What of the image both pictures hold."""
    data = json.loads(page.locator("#viewer-data").text_content())
    names = [page.input_value(f"[data-pick={which}]") for which in "ab"]
    shots = [shot for shot in data[image_of(page)]["shots"] if shot["name"] in names]
    crops = [shot["stored"] for shot in shots if shot["isCrop"]]
    return list((crops or [shots[0]["stored"]])[0])


def cut(pixels: np.ndarray, box: list[int]) -> np.ndarray:
    left, top, width, height = box
    return pixels[top : top + height, left : left + width]


def natural_width(page: Any) -> int:
    return int(page.locator(".pane-a img").first.evaluate("image => image.naturalWidth"))
