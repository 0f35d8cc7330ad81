"""Every family says what it is, and is one of two kinds."""

from __future__ import annotations

from typing import Any

import pytest

from slimcodec import library, registry
from slimcodec.codecs.around import Around, Enveloping
from slimcodec.codecs.family import (
    Coded,
    Fitted,
    Identified,
    frozen_of,
    stream_id_of,
    sums_of,
)
from slimcodec.codecs.published import Published, published_families
from slimcodec.errors import UsageError
from slimcodec.explore.priced import coded_family
from slimcodec.model_file import Model, thaw_network
from slimcodec.runtime import open_codec

KINDS = {
    "compact": (Identified, Around, Enveloping),
    "compressai": (Identified, Coded, Published),
    "extreme": (Identified, Coded),
    "hific": (Identified, Coded, Published),
    "restore": (Around,),
    "toderici": (Identified, Coded, Published),
    "vq": (Identified, Coded, Fitted),
}


def test_all_are_known() -> None:
    assert set(KINDS) == set(registry.families)


@pytest.mark.parametrize("name", KINDS)
def test_what_it_is(name: str) -> None:
    family = registry.families.get(name)
    for kind in (Identified, Coded, Fitted, Around, Enveloping, Published):
        assert isinstance(family, kind) == (kind in KINDS[name]), kind.__name__
    assert isinstance(family, Coded) != isinstance(family, Around)
    assert all(objective in registry.objectives for objective in family.objectives)
    assert family.finetuning["name"] in family.objectives


@pytest.mark.parametrize("name", KINDS)
def test_streams_have_an_identity_where_they_are_its_own(
    name: str, tiny_models: dict[str, Model]
) -> None:
    family, model = registry.families.get(name), tiny_models[name]
    config = family.config(model.config)
    coded = isinstance(family, Coded)
    assert bool(stream_id_of(family, model.coding)) == isinstance(family, Identified)
    assert coded or not sums_of(family, config)
    assert bool(frozen_of(family, thaw_network(model))) == coded
    if isinstance(family, Around):
        assert family.inner(config) in registry.codecs
        assert not family.changes_streams


@pytest.mark.parametrize("name", published_families())
def test_symbols_of_a_stream(name: str, tiny_models: dict[str, Model], picture: Any) -> None:
    codec = open_codec(tiny_models[name], "torch")
    symbols = published_families()[name].coded_symbols(codec, codec.encode(picture(70, 90)))
    assert symbols.ndim == 1 and symbols.size and symbols.dtype.kind == "i"


def test_changes_without_a_price_in_bits_are_refused(tiny_models: dict[str, Model]) -> None:
    assert coded_family(tiny_models["hific"]) is registry.families.get("hific")
    for name in ("restore", "compact"):
        with pytest.raises(UsageError, match=f"another codec codes for tiny-{name}"):
            coded_family(tiny_models[name])


def test_a_codec_around_another_writes_its_files() -> None:
    assert library.stream_suffix("jpeg+restore") == library.stream_suffix("restore-s") == ".jpeg"
    assert library.stream_suffix("hific-s") == ".slc"
    assert library.model_path("jpeg+restore") == library.model_path("restore-s")
    library.check_quality("jpeg+restore", 40)
    with pytest.raises(UsageError, match="jpeg quality must be 1 to 95, got 96"):
        library.check_quality("restore-s", 96)
