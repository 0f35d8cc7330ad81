"""Reading a pickle without running it.

A pickle is a program for a small stack machine: it names functions and classes and has them called.
This machine builds what is plain (numbers, texts, lists, dictionaries) and calls nothing. Where a
pickle names something it becomes a ``Named``, where it would call that a ``Record`` of the call,
and where it would give an object its state the record keeps it. No name is looked up, nothing is
imported: what a record stands for is decided by whoever reads it, from a list of names that are
known (``tensors``, ``contents``).

Work and memory are bounded by the bytes that there are: no opcode copies what was there before, so
none makes more of a pickle than it holds.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from mmap import mmap
from typing import IO, Any, cast

from slimcodec.errors import CheckpointError

__all__ = ["Named", "Record", "read_pickle"]

_MOST = 5_000_000
"""Steps that reading a pickle may take: a state dictionary of 10,000 tensors takes 400,000."""
LONGEST_NAME = 1000
"""Characters of a name: a few bytes of a file may repeat one."""
_LONGEST_BITS, _LONGEST_KEY = 512, 8
"""Of whole numbers, and of tuples that are keys: hashing them costs their length each time."""
_RUNS_CODE = frozenset({
    "os", "posix", "nt", "subprocess", "sys", "shutil", "socket", "importlib", "imp", "runpy",
    "pty", "code", "codeop", "commands", "ctypes", "webbrowser", "pickle", "cPickle", "_pickle",
    "marshal", "types.FunctionType", "types.CodeType", "pip", "pydoc", "timeit", "asyncio",
    "multiprocessing", "threading", "_thread", "signal", "urllib", "requests", "http", "ftplib",
})  # fmt: skip
"""Roots of what nobody keeps in a checkpoint in good faith. Nothing depends on this list being
whole: it is here to say what such a file is, not to be safe from it."""
_BUILTINS = frozenset({
    "set", "frozenset", "list", "tuple", "dict", "int", "float", "bool", "str", "bytes",
    "bytearray", "complex", "slice", "range", "object", "getattr", "Ellipsis", "NotImplemented",
    "long", "unicode",
})  # fmt: skip
_VALUES = frozenset({
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
})  # fmt: skip
"""Opcodes that bring a value along."""
_CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


@dataclass(frozen=True, eq=False)
class Named:
    """A function, a class or another thing that a pickle names: ``"torch.FloatStorage"``."""

    name: str


@dataclass(eq=False)
class Record:
    """An object that was not made.

    Attributes:
        name: of what would make it.
        arguments: that it would be made with.
        state: that it would be given.
        items: what it would be filled with as a dictionary.
        entries: what it would be filled with as a list or a set.
    """

    name: str
    arguments: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = field(default_factory=dict)
    entries: list[Any] = field(default_factory=list)


def read_pickle(stream: io.BytesIO | mmap, persistent: Callable[[Any], Any]) -> Any:
    """What a pickle describes.

    Args:
        stream: that stands where it begins, and then where it ends; never read beyond its own end,
            so that a claim of exabytes takes none.
        persistent: what a persistent identity stands for: how torch refers to its storages.

    Raises:
        CheckpointError: when it is damaged, names what would run code, or is endless.
    """
    machine = _Machine(persistent)
    try:
        for steps, (opcode, argument, _) in enumerate(pickletools.genops(cast(IO[bytes], stream))):
            if steps == _MOST:
                raise CheckpointError(f"its pickle takes more than {_MOST:,} steps")
            machine.step(opcode.name, argument)
        return machine.result()
    except CheckpointError:
        raise
    except (ValueError, LookupError, TypeError, ArithmeticError, AttributeError) as error:
        raise CheckpointError(f"its pickle is damaged at byte {stream.tell():,}") from error


class _Machine:
    def __init__(self, persistent: Callable[[Any], Any]) -> None:
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def result(self) -> Any:
        (value,) = self._stack
        return value

    def step(self, name: str, argument: Any) -> None:
        """One opcode: a value, a container, or an object."""
        if name in _VALUES:
            if type(argument) is int and argument.bit_length() > _LONGEST_BITS:
                raise CheckpointError("its pickle has a number of hundreds of digits")
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif not self._container(name, argument) and not self._object(name, argument):
            raise CheckpointError(f"its pickle has a {name} in it, which no checkpoint has")

    def _container(self, name: str, argument: Any) -> bool:
        stack = self._stack
        match name:
            case "PROTO" | "FRAME" | "STOP":
                pass
            case "MARK":
                stack.append(_MARK)
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._to_mark()
            case "DUP":
                stack.append(stack[-1])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = _TUPLES[name]
                stack[-count:] = [tuple(stack[-count:])]
            case "TUPLE":
                stack.append(tuple(self._to_mark()))
            case "LIST":
                stack.append(self._to_mark())
            case "FROZENSET":
                stack.append(frozenset(map(_key, self._to_mark())))
            case "DICT":
                stack.append(dict(_pairs(self._to_mark())))
            case "APPEND":
                _extend(stack[-2], [stack.pop()])
            case "APPENDS" | "ADDITEMS":
                entries = self._to_mark()
                _extend(stack[-1], entries)
            case "SETITEM":
                pair, stack[-2:] = stack[-2:], []
                _update(stack[-1], pair)
            case "SETITEMS":
                entries = self._to_mark()
                _update(stack[-1], entries)
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case _:
                return False
        return True

    def _object(self, name: str, argument: Any) -> bool:
        stack = self._stack
        match name:
            case "GLOBAL":
                stack.append(_named(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                own, module = stack.pop(), stack.pop()
                stack.append(_named(module, own))
            case "INST":
                called = _named(*argument.split(" ", 1))
                stack.append(_call(called, tuple(self._to_mark())))
            case "OBJ":
                kind, *arguments = self._to_mark()
                stack.append(_call(kind, tuple(arguments)))
            case "REDUCE" | "NEWOBJ":
                arguments, kind = stack.pop(), stack.pop()
                stack.append(_call(kind, arguments))
            case "NEWOBJ_EX":
                named, arguments, kind = stack.pop(), stack.pop(), stack.pop()
                if named:  # copied anew for five bytes of file each; torch writes none
                    raise CheckpointError("its pickle calls something with arguments by name")
                stack.append(_call(kind, arguments))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Record):
                    stack[-1].state = state
            case "PERSID" | "BINPERSID":
                identity = argument if name == "PERSID" else stack.pop()
                stack.append(self._persistent(identity))
            case _:
                return False
        return True

    def _to_mark(self) -> list[Any]:
        """What lies above the last mark, taken off with it."""
        stack = self._stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ValueError("there is no mark")
        above = stack[place + 1 :]
        del stack[place:]
        return above


def _call(called: Any, arguments: Any) -> Record:
    if not isinstance(called, Named) or type(arguments) is not tuple:
        raise CheckpointError("its pickle calls what is nothing that could be called")
    return Record(called.name, arguments)


def _named(module: Any, own: Any) -> Named:
    if type(module) is not str or type(own) is not str:
        raise CheckpointError("its pickle names something by what is no name")
    if len(module) + len(own) > LONGEST_NAME:
        raise CheckpointError("its pickle names something by more than a thousand characters")
    name = f"{module}.{own}"
    root = module.split(".")[0]
    builtin = root in ("builtins", "__builtin__")
    if (builtin and own not in _BUILTINS) or root in _RUNS_CODE or name in _RUNS_CODE:
        raise CheckpointError(
            f"refused, because loading it would call {name[:80]}: a checkpoint holds tensors and "
            "settings, and this one would run code; nothing of it was run"
        )
    return Named(name)


def _key(value: Any) -> Any:
    """A key that hashes at once and calls nothing: nested tuples would take the stack."""
    plain = isinstance(value, str | int | float | bytes | Named | Record | None)
    if plain or (
        type(value) is tuple
        and len(value) <= _LONGEST_KEY
        and all(isinstance(own, str | int | float) for own in value)
    ):
        return value
    raise CheckpointError("its pickle has a dictionary whose keys are no plain values")


def _pairs(entries: list[Any]) -> Iterator[tuple[Any, Any]]:
    for key, value in zip(entries[::2], entries[1::2], strict=True):
        yield _key(key), value


def _extend(target: Any, entries: list[Any]) -> None:
    if isinstance(target, Record):
        target.entries.extend(entries)
    elif isinstance(target, set):
        target.update(map(_key, entries))
    elif isinstance(target, list):
        target.extend(entries)
    else:
        raise TypeError("no list")


def _update(target: Any, entries: list[Any]) -> None:
    items = target.items if isinstance(target, Record) else target
    if not isinstance(items, dict):
        raise TypeError("no dictionary")
    items.update(_pairs(entries))
