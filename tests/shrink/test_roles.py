"""Parts by what they are for."""

from __future__ import annotations

from typing import Any

import pytest

from slimcodec import registry
from slimcodec.errors import UnknownNameError, UsageError
from slimcodec.shrink import Finetune, Prune, PruneChannels, Quantize
from slimcodec.shrink.roles import absent, by_part, parts_of

ROLES = ("encoder", "decoder", "probability")
OWN = {
    "hific": (("encoder",), ("generator",), ("probability",)),
    "compact": (("compactor",), ("reconstructor", "condition"), ()),
    "restore": ((), ("restorer", "condition"), ()),
    # The part of that name, not the binarizer beside it.
    "toderici": (("encoder",), ("decoder",), ("probability",)),
    "vq": ((), ("decoder",), ("probability",)),
}


@pytest.mark.parametrize("name", OWN)
def test_which_parts_a_role_means(name: str) -> None:
    family = registry.families.get(name)
    for role, parts in zip(ROLES, OWN[name], strict=True):
        if parts:
            assert parts_of(family, [role]) == parts
            assert absent(family, [role]) == []
        else:
            assert absent(family, [role]) == [f"{name} has no {role}"]
            with pytest.raises(UsageError, match=f"{name} has no {role}"):
                parts_of(family, [role])
            assert parts_of(family, [role, "decoder"]) == OWN[name][1]
    assert parts_of(family, family.parts) == tuple(family.parts)
    assert parts_of(family, []) == ()
    with pytest.raises(UnknownNameError, match=f"part of {name} 'deco'; did you mean decoder"):
        parts_of(family, ["deco"])


def test_every_part_has_a_role() -> None:
    for name in registry.families:
        family = registry.families.get(name)
        found = {part for role in ROLES for part in by_part(family, {role: 1})}
        assert found | {"binarizer"} >= set(family.parts)


def test_a_part_of_its_own_name_counts_before_its_role() -> None:
    compact, hific = registry.families.get("compact"), registry.families.get("hific")
    given = {"condition": 0.1, "decoder": 0.5, "probability": 0.3}
    assert by_part(compact, given) == {"reconstructor": 0.5, "condition": 0.1}
    assert by_part(hific, {"decoder.stages.1": 0.2}) == {"generator.stages.1": 0.2}


def test_passes_take_either(tiny_network: Any) -> None:
    family = registry.families.get("hific")
    for one, other in (
        (Prune({"decoder": 0.5}), Prune({"generator": 0.5})),
        (
            PruneChannels({"decoder.stages": 0.5}, macs={"encoder": 0.25}, multiple=2),
            PruneChannels({"generator.stages": 0.5}, macs={"encoder": 0.25}, multiple=2),
        ),
        (Quantize(6, only=("decoder",)), Quantize(6, only=("generator",))),
        (
            Quantize(8, parts={"decoder": {"weights": 4}}),
            Quantize(8, parts={"generator": {"weights": 4}}),
        ),
    ):
        assert one.touches(family) == other.touches(family)
        assert one.plan(tiny_network, family) == other.plan(tiny_network, family)
    assert Finetune(parts=("decoder",)).learns(family) == ("generator",)


def test_a_plan_says_of_what_there_is_none(make_network_of: Any) -> None:
    family, network = registry.families.get("restore"), make_network_of("restore", 0)
    lines = Prune({"encoder": 0.5, "decoder": 0.5}).plan(network, family)
    assert lines[0] == "prune: restore has no encoder" and len(lines) == 3
