"""Every family says what it is, and is one of two kinds."""

from __future__ import annotations

import pytest

from slimcodec import library, registry
from slimcodec.codecs.family import (
    Around,
    Coded,
    Fitted,
    Published,
    frozen_of,
    stream_id_of,
    sums_of,
)
from slimcodec.errors import UsageError
from slimcodec.explore.priced import coded_family
from slimcodec.model_file import Model, thaw_network

KINDS = {
    "hific": (Coded, Published),
    "toderici": (Coded, Published),
    "restore": (Around,),
    "vq": (Coded, Fitted),
}


def test_all_are_known() -> None:
    assert set(KINDS) == set(registry.families)


@pytest.mark.parametrize("name", KINDS)
def test_what_it_is(name: str) -> None:
    family = registry.families.get(name)
    for kind in (Coded, Fitted, Around, Published):
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
    own = isinstance(family, Coded)
    assert bool(stream_id_of(family, model.coding)) == own
    # What decides tables of a family that is fitted is no layer's.
    assert bool(sums_of(family, config)) == (own and not isinstance(family, Fitted))
    assert bool(frozen_of(family, thaw_network(model))) == own
    if not own:
        assert family.inner in registry.codecs
        assert not family.changes_streams


def test_changes_without_a_price_in_bits_are_refused(tiny_models: dict[str, Model]) -> None:
    assert coded_family(tiny_models["hific"]) is registry.families.get("hific")
    with pytest.raises(UsageError, match="tiny-restore writes no streams of its own"):
        coded_family(tiny_models["restore"])


def test_a_codec_around_another_writes_its_files() -> None:
    assert library.stream_suffix("jpeg+restore") == library.stream_suffix("restore-s") == ".jpeg"
    assert library.stream_suffix("hific-s") == ".slc"
    assert library.model_path("jpeg+restore") == library.model_path("restore-s")
    library.check_quality("jpeg+restore", 40)
    with pytest.raises(UsageError, match="jpeg quality must be 1 to 95, got 96"):
        library.check_quality("restore-s", 96)
