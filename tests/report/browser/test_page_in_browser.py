"""The whole page: charts by pointer and keys, themes, phones, paper, and what axe says of it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL.Image
import pytest

pytestmark = pytest.mark.slow

Open = Callable[..., Any]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def violations(page: Any) -> list[str]:
    """What axe finds wrong, with everything that can be opened open."""
    axe_core = pytest.importorskip("axe_core_python.base", reason="needs axe-core-python")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    page.evaluate(axe_core.AXE_SCRIPT)
    found = page.evaluate("axe.run().then((results) => results.violations)")
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


@pytest.mark.parametrize(
    "settings", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"]
)
def test_axe_finds_nothing(open_page: Open, settings: dict[str, Any]) -> None:
    assert violations(open_page(**settings)) == []


def test_axe_finds_nothing_in_a_map(open_page: Open) -> None:
    page = open_page("#picture=alps.png&mode=delta&zoom=4")
    page.wait_for_function("document.querySelector('.map').dataset.ready")
    assert violations(page) == []


def test_axe_would_find_something(open_page: Open) -> None:
    page = open_page()
    page.evaluate("document.querySelector('.divider').removeAttribute('aria-label')")
    assert any("divider" in each for each in violations(page))


def test_a_point_says_its_words_when_pointed_at_and_when_focused(open_page: Open) -> None:
    page = open_page()
    spot = page.locator("#rate .chart .spot").nth(2)
    words = spot.get_attribute("aria-label")
    assert "bpp" in words and "quality" in words
    assert not page.is_visible("#tip")
    spot.hover()
    assert page.inner_text("#tip") == words
    page.mouse.move(5, 5)
    assert not page.is_visible("#tip")
    spot.focus()
    assert page.inner_text("#tip") == words
    page.keyboard.press("Escape")
    assert not page.is_visible("#tip")


def test_keys_reach_every_point_and_a_chart_is_one_stop(open_page: Open) -> None:
    page = open_page()
    count = page.locator("#rate .chart svg").first.locator(".spot").count()
    assert count == 12  # three codecs, four qualities
    assert page.locator("#rate .chart svg").first.locator(".spot[tabindex='0']").count() == 1
    page.locator("#rate .chart .spot[tabindex='0']").first.focus()
    where = "() => document.activeElement.getAttribute('aria-label')"
    reached = set()
    for _ in range(3):
        page.keyboard.press("Home")
        for _ in range(4):
            reached.add(page.evaluate(where))
            page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
    assert len(reached) == count
    page.keyboard.press("Tab")
    assert page.evaluate(
        "document.activeElement.closest('svg') !== document.querySelector('#rate .chart svg')"
    )


def test_keys_reach_every_bar(open_page: Open) -> None:
    page = open_page()
    page.locator(".track[tabindex='0']").focus()
    reached = []
    for _ in range(page.locator(".track").count()):
        reached.append(page.inner_text("#tip"))
        page.keyboard.press("ArrowDown")
    assert len(set(reached)) == len(reached) == 6 and all("ms" in each for each in reached)


def test_a_legend_hides_its_curve_in_every_chart(open_page: Open) -> None:
    page = open_page()
    entry = page.locator(".legend button", has_text="jpeg")
    curves = page.locator(".curve[data-curve='1']")
    assert curves.count() > 1 and curves.first.is_visible()
    entry.focus()
    page.keyboard.press("Enter")
    assert entry.get_attribute("aria-pressed") == "false"
    assert not any(curve.is_visible() for curve in curves.all())
    page.locator("#rate .chart .spot[tabindex='0']").first.focus()
    words = set()
    for _ in range(3):
        words.add(page.evaluate("document.activeElement.getAttribute('aria-label')")[:4])
        page.keyboard.press("ArrowDown")
    assert words == {"tiny", "webp"}
    entry.click()
    assert all(curve.is_visible() for curve in curves.all())


def test_nothing_is_wider_than_a_phone(open_page: Open) -> None:
    page = open_page(**PHONE)
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    for mode in ("slider", "side", "delta"):
        page.click(f"button[data-mode={mode}]")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    tables = page.locator(".scroll")
    wide = [t for t in tables.all() if t.evaluate("box => box.scrollWidth > box.clientWidth")]
    assert wide and all(t.evaluate("box => box.clientWidth <= 390") for t in wide)


def paper(page: Any) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_dark_by_the_system_and_by_choice(open_page: Open) -> None:
    light, dark = paper(open_page()), paper(open_page(color_scheme="dark"))
    assert light != dark
    page = open_page(color_scheme="dark")
    page.click("#theme")
    assert page.inner_text("#theme") == "Colours: light" and paper(page) == light
    page.click("#theme")
    assert page.inner_text("#theme") == "Colours: dark" and paper(page) == dark
    page.reload()
    assert page.inner_text("#theme") == "Colours: dark"


def test_paper_has_every_crop_and_no_tools(open_page: Open) -> None:
    page = open_page(color_scheme="dark")
    assert not page.locator(".crops .window").first.is_visible()
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    crops = page.locator(".crops .window")
    assert crops.count() == 8  # two images, the original and three codecs
    for crop in crops.all():
        assert crop.is_visible()
        assert crop.locator("img").evaluate("image => image.complete && image.naturalWidth > 0")
    assert not page.is_visible("#viewer") and not page.is_visible("#theme")
    assert page.locator("#everything table").is_visible()
    assert paper(page) == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.body).printColorAdjust") == "exact"
    page.set_viewport_size({"width": 718, "height": 1000})  # 190 mm
    assert page.evaluate("document.documentElement.scrollWidth") <= 718
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert not crops.first.is_visible()


def test_it_prints(open_page: Open) -> None:
    printed = open_page().pdf(format="A4")
    assert printed.startswith(b"%PDF") and printed.count(b"/Type /Page\n") >= 3
    assert printed.count(b"/Subtype /Image") >= 8


def test_a_crop_of_a_whole_picture_is_cut_where_it_says(
    open_page: Open, kept_picture: Callable[..., np.ndarray]
) -> None:
    page = open_page()
    page.click(".crops > summary")
    plate = page.locator(".crops .plate").first
    image, place = re.fullmatch(
        r"(.*) 416 × 288, crop 192 × 192 at (\d+, \d+)( ·.*)?", plate.locator("h3").inner_text()
    ).groups()[:2]  # type: ignore[union-attr]
    left, top = (int(each) for each in place.split(", "))
    window = plate.locator(".window").last
    window.evaluate(  # onto whole pixels of the screen
        "window => { window.style.cssText += '; position: fixed; top: 0; left: 0; width: 192px'; }"
    )
    shown = np.asarray(PIL.Image.open(io.BytesIO(window.screenshot())).convert("RGB"), dtype=int)
    name = window.locator("img").get_attribute("id").partition("-")[2].partition("-")[2]
    whole = kept_picture(name, image).astype(int)
    wanted = whole[top : top + 192, left : left + 192]
    assert shown.shape == wanted.shape
    assert np.abs(shown - wanted).mean() < 1.0 < np.abs(wanted - wanted[::-1]).mean()
