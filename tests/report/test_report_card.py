"""A model's card says what the model and the rows say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from slimcodec.bench import Row, summarise
from slimcodec.model_file import NATURAL, Model
from slimcodec.report import (
    CardFacts,
    figures_section,
    head_section,
    network_section,
    training_section,
)

STRETCH = {
    "train": "tiny", "steps": 1500, "hours": 2.0, "photographs": 7, "hardware": "Testchip",
    "objective": "the loss", "parts": ["generator"], "validation_bpp_db": [[0.25, 30.126]],
}  # fmt: skip


@pytest.fixture()
def facts(tiny_model: Model) -> CardFacts:
    model = replace(tiny_model, history=({"pass": "prune"}, STRETCH))
    return CardFacts.of(model, 1_234_567)


def test_what_a_model_says(facts: CardFacts, tiny_model: Model) -> None:
    head = head_section(facts, "Made here.")
    assert tiny_model.stream_id in head and "look: faithful" in head and "invented" not in head
    counts = tiny_model.parameters()
    network = network_section(facts)
    assert f"| generator | {counts['generator'][0]:,} |" in network
    assert f"| together | {sum(total for total, _ in counts.values()):,} |" in network
    assert "1.2 MB" in network and "lies there" not in network
    training = training_section(facts, "The data.")
    assert (
        "- tiny, to step 1,500: 2.0 hours on Testchip, 7 photographs; only generator; the loss."
        in training
    )
    assert training.count("\n- ") == 1  # a pass is no training
    assert "| 1 | 0.250 | 30.13 |" in training and "The data." in training


def test_a_natural_look_is_cautioned(facts: CardFacts) -> None:
    natural = replace(facts, look=NATURAL, base="tiny.slim")
    assert "Fine detail is invented" in head_section(natural, "")
    assert "`tiny.slim` lies there" in network_section(natural)


def test_figures_are_the_means_of_the_rows(make_row: Callable[..., Row]) -> None:
    ladder = [(1.0, 10_000, 25.0), (2.0, 20_000, 28.0), (3.0, 40_000, 31.0), (4.0, 80_000, 34.0)]
    rows = [
        make_row(image=image, variant=variant, quality=quality, metrics={"psnr": psnr},
            stream_bytes=round(size * share * factor))
        for image, factor in (("a.png", 0.9), ("b.png", 1.1))
        for variant, share in (("jpeg", 1.0), ("ours", 0.5))
        for quality, size, psnr in ladder
    ]  # fmt: skip
    text = figures_section("two pictures", "ours", summarise(rows, "jpeg"))
    assert "## On two pictures" in text and "means over 2 images" in text
    assert "| quality | bits per pixel | PSNR (dB) |" in text
    bpp = 8 * 5_000 / (rows[0].width * rows[0].height)
    assert f"| 1 | {bpp:.3f} | 25.00 |" in text
    assert "| ours | −50.0\N{NO-BREAK SPACE}% |" in text
    few = [each for each in rows if each.quality < 3]
    assert "BD-rate" not in figures_section("two pictures", "ours", summarise(few, "jpeg"))
