"""A graph that is changed stays one: who uses what is known, and order can be made again."""

from __future__ import annotations

import numpy as np
import pytest

from slimcodec.graphs import ir
from slimcodec.graphs.building import Builder, constant
from slimcodec.graphs.writing import to_bytes
from tests.onnx_protos import from_proto, to_proto


def chain(*kinds: str) -> ir.Model:
    """x through unary operators to ``out``."""
    build = Builder({}, {"x": (1, 2, "h", "w")})
    value = build["x"]
    for kind in kinds:
        value = build._same(kind, value)
    return build.finished({"out": value})


def named(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def test_a_value_knows_who_uses_it() -> None:
    model = chain("Abs", "Relu")
    first, second = model.graph
    x, middle = model.graph.inputs[0], first.outputs[0]
    assert [use.node for use in x.uses()] == [first]
    assert [(use.node, use.idx) for use in middle.uses()] == [(second, 0)]
    assert middle.producer() is first and x.producer() is None
    assert second.outputs[0].is_graph_output() and not middle.is_graph_output()
    second.replace_input_with(0, x)
    assert not middle.uses()
    assert {use.node for use in x.uses()} == {first, second}


def test_a_value_used_twice_by_one_node() -> None:
    x, y = ir.Value("x"), ir.Value("y")
    add = ir.node("Add", [x, x])
    assert len(x.uses()) == 2 and x.consumers() == (add,)
    x.replace_all_uses_with(y)
    assert not x.uses() and len(y.uses()) == 2


def test_inputs_that_may_be_missing() -> None:
    x, bias = ir.Value("x"), ir.Value("bias")
    conv = ir.node("Conv", [x, x])
    conv.resize_inputs(3)
    assert conv.inputs == (x, x, None)
    conv.replace_input_with(2, bias)
    conv.resize_inputs(2)
    assert list(conv.inputs) == [x, x] and not bias.uses()


def test_what_takes_an_outputs_place_takes_its_name() -> None:
    model = chain("Abs", "Relu")
    old = model.graph.outputs[0]
    new = ir.node("Tanh", [model.graph.inputs[0]])
    model.graph.append(new)
    with pytest.raises(ValueError, match="output of the graph"):
        old.replace_all_uses_with(new.outputs[0])
    old.replace_all_uses_with(new.outputs[0], replace_graph_outputs=True)
    assert model.graph.outputs == [new.outputs[0]]
    assert new.outputs[0].name == "out" and old.name != "out"
    to_proto(model)


def test_nothing_that_is_used_is_removed() -> None:
    model = chain("Abs", "Relu")
    first, second = model.graph
    for node in (first, second):
        with pytest.raises(ValueError, match="still used"):
            model.graph.remove(node, safe=True)
    assert named(model) == ["Abs", "Relu"]
    second.replace_input_with(0, model.graph.inputs[0])
    model.graph.remove(first, safe=True)
    assert named(model) == ["Relu"]
    assert len(model.graph.inputs[0].uses()) == 1
    with pytest.raises(ValueError, match="not in the graph"):
        model.graph.remove(first)


def test_both_of_two_that_use_each_other_only_go_together() -> None:
    model = chain("Abs", "Relu", "Tanh")
    first, second, third = model.graph
    third.replace_input_with(0, model.graph.inputs[0])
    model.graph.remove([first, second], safe=True)
    assert named(model) == ["Tanh"]


def test_nodes_go_where_they_are_put() -> None:
    model = chain("Abs", "Relu")
    first, second = model.graph
    model.graph.insert_before(second, [ir.node("Neg", []), ir.node("Exp", [])])
    model.graph.insert_after(second, ir.node("Log", []))
    assert named(model) == ["Abs", "Neg", "Exp", "Relu", "Log"]
    with pytest.raises(ValueError, match="already"):
        model.graph.append(first)


def test_changes_on_the_way_change_no_iteration() -> None:
    model = chain("Abs", "Relu")
    for node in model.graph:
        model.graph.insert_after(node, ir.node("Neg", []))
    assert named(model) == ["Abs", "Neg", "Relu", "Neg"]


def test_sorting_keeps_what_needs_no_change() -> None:
    model = chain("Abs", "Relu", "Tanh", "Sigmoid")
    nodes = list(model.graph)
    model.graph.remove(nodes)
    model.graph.extend([nodes[2], nodes[0], nodes[3], nodes[1]])
    model.graph.sort()
    assert list(model.graph) == nodes
    model.graph.sort()
    assert list(model.graph) == nodes
    nodes[0].replace_input_with(0, nodes[3].outputs[0])
    with pytest.raises(ValueError, match="wait for each other"):
        model.graph.sort()


def test_a_clone_changes_by_itself() -> None:
    model = chain("Abs", "Relu")
    constant(model.graph, "numbers", np.zeros(3, np.float32))
    before, copy = to_bytes(model), model.clone()
    assert to_bytes(copy) == before
    copied, original = copy.graph.initializers["numbers"], model.graph.initializers["numbers"]
    assert copied is not original and copied.const_value is original.const_value
    first, second = copy.graph
    second.replace_input_with(0, copy.graph.inputs[0])
    copy.graph.remove(first, safe=True)
    copy.graph.outputs[0].name = "other"
    assert to_bytes(model) == before


def test_a_graph_read_by_onnx_is_the_graph_that_was_written() -> None:
    build = Builder({"a.weight": np.ones((4, 2, 3, 3), np.float32)}, {"x": (1, 2, "2h", "2w")})
    x = build.conv("a", build.reflected(build["x"], 1, 1, 1, 1), stride=2)
    one, other = build.split(build.relu(x, 0.25), 2)
    model = build.finished({"one": build.add(one, 1.5), "copy": build["x"], "other": other})
    again = from_proto(to_proto(model))
    assert to_bytes(again) == to_bytes(model)
