"""A graph of operators in memory, and the changes that one makes to it.

A *value* is made by a node, or is an input of the graph, or a constant (an initializer). It knows
who uses it, so a rewrite asks ``value.uses()`` and says ``value.replace_all_uses_with(other)``, and
nothing that it did not mean to touch is left pointing at what is gone. Nodes stand in an order in
which they can be computed; whoever inserts one says where, or calls ``sort`` afterwards.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slimcodec.graphs.tensors import (
    DataType,
    ExternalTensor,
    Shape,
    Tensor,
    TensorType,
    tensor,
)

__all__ = [
    "Attributes",
    "DataType",
    "ExternalTensor",
    "Graph",
    "Model",
    "Node",
    "Shape",
    "Tensor",
    "TensorType",
    "Usage",
    "Value",
    "node",
    "tensor",
]


class Attributes(dict[str, Any]):
    """A node's settings: whole numbers, floats, texts, and lists of numbers."""

    def get_int(self, name: str, default: Any = None) -> Any:
        return self.get(name, default)

    def get_float(self, name: str, default: Any = None) -> Any:
        return self.get(name, default)

    def get_string(self, name: str, default: Any = None) -> Any:
        return self.get(name, default)

    def get_ints(self, name: str, default: Any = None) -> Any:
        return self.get(name, default)


@dataclass(frozen=True)
class Usage:
    """A value is a node's input of that number."""

    node: Node
    idx: int


class Value:
    """What flows between nodes. A graph knows it by its name, so two of one graph never share one.

    Args:
        name: may be given later, but before the graph is written.
        shape: None where nothing is known of it.
        type: None where nothing is known of it.
        const_value: elements, of a constant.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        shape: Shape | None = None,
        type: TensorType | None = None,
        const_value: Tensor | ExternalTensor | None = None,
    ) -> None:
        self.name, self.shape, self.type, self.const_value = name, shape, type, const_value
        self._producer: Node | None = None
        self._graph: Graph | None = None
        """Whose output it is, or was."""
        self._uses: dict[tuple[int, int], Usage] = {}

    def __repr__(self) -> str:
        return f"Value({self.name!r}, {self.shape})"

    @property
    def dtype(self) -> DataType | None:
        return None if self.type is None else self.type.dtype

    def producer(self) -> Node | None:
        """The node that makes it; none of an input or a constant."""
        return self._producer

    def uses(self) -> tuple[Usage, ...]:
        """Where nodes read it; that it may also come out of the graph is not among them."""
        return tuple(self._uses.values())

    def consumers(self) -> tuple[Node, ...]:
        """The nodes that read it, each once."""
        return tuple({id(use.node): use.node for use in self._uses.values()}.values())

    def is_graph_output(self) -> bool:
        return self._graph is not None and any(out is self for out in self._graph.outputs)

    def replace_all_uses_with(self, other: Value, *, replace_graph_outputs: bool = False) -> None:
        """Let every node read another value instead.

        Args:
            other: the value.
            replace_graph_outputs: whether it also takes this one's place, and its name, among the
                outputs of the graph. Where it is False, a value that is one is an error.

        Raises:
            ValueError: when an output of the graph would be left behind.
        """
        for use in self.uses():
            use.node.replace_input_with(use.idx, other)
        if not self.is_graph_output():
            return
        if not replace_graph_outputs:
            raise ValueError(f"{self.name} is an output of the graph; say what becomes of it")
        graph = self._graph
        assert graph is not None
        graph.outputs[:] = [other if out is self else out for out in graph.outputs]
        other._graph = graph
        # An output is asked for by its name.
        self.name, other.name = f"{self.name}.replaced", self.name
        other.shape, other.type = other.shape or self.shape, other.type or self.type


class Node:
    """An operator with what it reads and what it makes; ``node`` makes one."""

    def __init__(
        self,
        domain: str,
        op_type: str,
        inputs: Iterable[Value | None],
        attributes: Mapping[str, Any] | None = None,
        *,
        num_outputs: int = 1,
        name: str | None = None,
    ) -> None:
        self.domain, self.op_type, self.name = domain, op_type, name
        self.attributes = Attributes(
            {k: tuple(v) if isinstance(v, list) else v for k, v in (attributes or {}).items()}
        )
        self.graph: Graph | None = None
        self._inputs: list[Value | None] = []
        self.outputs: tuple[Value, ...] = tuple(Value() for _ in range(num_outputs))
        for out in self.outputs:
            out._producer = self
        for number, value in enumerate(inputs):
            self._inputs.append(None)
            self.replace_input_with(number, value)

    def __repr__(self) -> str:
        return f"Node({self.op_type}, {self.name!r})"

    @property
    def inputs(self) -> tuple[Value | None, ...]:
        """None where an input that may be missing is."""
        return tuple(self._inputs)

    def replace_input_with(self, index: int, value: Value | None) -> None:
        old, key = self._inputs[index], (id(self), index)
        if old is not None:
            del old._uses[key]
        self._inputs[index] = value
        if value is not None:
            value._uses[key] = Usage(self, index)

    def resize_inputs(self, count: int) -> None:
        """More inputs, missing at first; or fewer."""
        while len(self._inputs) > count:
            self.replace_input_with(len(self._inputs) - 1, None)
            self._inputs.pop()
        self._inputs += [None] * (count - len(self._inputs))


def node(
    op_type: str,
    inputs: Iterable[Value | None],
    attributes: Mapping[str, Any] | None = None,
    *,
    domain: str = "",
    num_outputs: int = 1,
    name: str | None = None,
) -> Node:
    """An operator that stands in no graph yet."""
    return Node(domain, op_type, inputs, attributes, num_outputs=num_outputs, name=name)


class Graph:
    """Nodes in order, what goes in, what comes out, and the constants by their names."""

    def __init__(
        self,
        inputs: Sequence[Value],
        outputs: Sequence[Value],
        *,
        nodes: Iterable[Node] = (),
        initializers: Sequence[Value] = (),
        name: str = "graph",
    ) -> None:
        self.name, self.inputs = name, list(inputs)
        self.outputs: list[Value] = []
        self.initializers: dict[str, Value] = {str(value.name): value for value in initializers}
        self._nodes: list[Node] = []
        self._unnamed = 0
        self.extend(nodes)
        for out in outputs:
            self.add_output(out)

    def __iter__(self) -> Iterator[Node]:
        """Over the nodes as they stand now: what is changed on the way changes no iteration."""
        return iter(tuple(self._nodes))

    def __len__(self) -> int:
        return len(self._nodes)

    def add_output(self, value: Value) -> None:
        """One more thing that comes out, by the name it has."""
        value._graph = self
        self.outputs.append(value)

    def append(self, node: Node) -> None:
        self.extend([node])

    def extend(self, nodes: Iterable[Node]) -> None:
        self._insert(len(self._nodes), nodes)

    def insert_before(self, node: Node, new: Node | Iterable[Node]) -> None:
        self._insert(self._place(node), new)

    def insert_after(self, node: Node, new: Node | Iterable[Node]) -> None:
        self._insert(self._place(node) + 1, new)

    def remove(self, nodes: Node | Iterable[Node], safe: bool = False) -> None:
        """Take nodes out.

        Args:
            nodes: one, or some.
            safe: whether they shall also let go of what they read; then nothing else may read what
                they made.

        Raises:
            ValueError: when one is not in the graph, or safe and still read.
        """
        gone = [nodes] if isinstance(nodes, Node) else list(nodes)
        ids = {id(node) for node in gone}
        for node in gone:
            place = self._place(node)
            for out in node.outputs if safe else ():
                if out.is_graph_output() or any(id(use.node) not in ids for use in out.uses()):
                    raise ValueError(f"{node.name} makes {out.name}, which is still used")
            del self._nodes[place]
            node.graph = None
        for node in gone if safe else ():
            for number in range(len(node.inputs)):
                node.replace_input_with(number, None)

    def sort(self) -> None:
        """Put every node behind those that make what it reads, and else leave the order alone.

        Raises:
            ValueError: when that cannot be, as some nodes wait for each other.
        """
        places = {id(node): number for number, node in enumerate(self._nodes)}
        waits: dict[int, int] = {}
        followers: dict[int, list[int]] = {}
        for number, node in enumerate(self._nodes):
            makers = {id(v.producer()) for v in node.inputs if v is not None} & places.keys()
            waits[number] = len(makers)
            for maker in makers:
                followers.setdefault(places[maker], []).append(number)
        ready = [number for number, count in waits.items() if not count]
        order = []
        while ready:
            number = heapq.heappop(ready)
            order.append(self._nodes[number])
            for follower in followers.get(number, ()):
                waits[follower] -= 1
                if not waits[follower]:
                    heapq.heappush(ready, follower)
        if len(order) != len(self._nodes):
            raise ValueError("some nodes of the graph wait for each other")
        self._nodes = order

    def _place(self, node: Node) -> int:
        for number, each in enumerate(self._nodes):
            if each is node:
                return number
        raise ValueError(f"{node.name} is not in the graph")

    def _insert(self, place: int, new: Node | Iterable[Node]) -> None:
        nodes = [new] if isinstance(new, Node) else list(new)
        for node in nodes:
            if node.graph is not None:
                raise ValueError(f"{node.name} stands in a graph already")
            node.graph = self
            self._name(node)
        self._nodes[place:place] = nodes

    def _name(self, node: Node) -> None:
        """Give a name to what came without."""
        if node.name is None:
            self._unnamed += 1
            node.name = f"{node.op_type}.unnamed.{self._unnamed}"
        for number, out in enumerate(node.outputs):
            if out.name is None:
                out.name = f"{node.name}.out" + (f".{number}" if len(node.outputs) > 1 else "")


@dataclass
class Model:
    """A graph and the versions of the operators that it is made of, by domain."""

    graph: Graph
    opset_imports: dict[str, int] = field(default_factory=dict)
    ir_version: int = 10

    def clone(self) -> Model:
        """A copy that changes by itself; the elements of constants are shared."""
        copies: dict[int, Value] = {}

        def copied(value: Value | None) -> Value | None:
            if value is None:
                return None
            if id(value) not in copies:
                copies[id(value)] = Value(
                    value.name, shape=value.shape, type=value.type, const_value=value.const_value
                )
            return copies[id(value)]

        def all_copied(values: Iterable[Value]) -> list[Value]:
            return [own for own in map(copied, values) if own is not None]

        nodes = []
        for each in self.graph:
            inputs = [copied(value) for value in each.inputs]
            count = len(each.outputs)
            new = Node(
                each.domain,
                each.op_type,
                inputs,
                each.attributes,
                num_outputs=count,
                name=each.name,
            )
            # Nodes stand in order, but one that was not sorted may read what comes later.
            for out, old in zip(new.outputs, each.outputs, strict=True):
                own = copies.setdefault(id(old), out)
                own.name, own.shape, own.type = old.name, old.shape, old.type
                own._producer = new
            new.outputs = tuple(all_copied(each.outputs))
            nodes.append(new)
        graph = Graph(
            all_copied(self.graph.inputs),
            all_copied(self.graph.outputs),
            nodes=nodes,
            initializers=all_copied(self.graph.initializers.values()),
            name=self.graph.name,
        )
        return Model(graph, dict(self.opset_imports), self.ir_version)
