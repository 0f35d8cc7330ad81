"""slimcodec list: every name that can be used, and what it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from slimcodec.cli.options import Json

_BETWEEN = 2
"""Spaces before a name and behind the longest."""


def list_(json: Json = False) -> None:
    """List models, codecs, recipes, studies, passes, metrics and runtimes, and what each is for."""
    import shutil
    import sys

    from slimcodec.cli.console import print_json
    from slimcodec.runtime import DEFAULT

    named = _named()
    if json:
        print_json(named)
        return
    runtimes = named["runtimes"]
    named["runtimes"] = {f"{n} (default)" if n == DEFAULT else n: runtimes[n] for n in runtimes}
    # Those that compact is around are all alike.
    codecs = named["codecs"]
    named["codecs"] = {_alike(name): line for name, line in codecs.items()}
    # A file or a pipe is given whole lines, for whoever looks for a name in them.
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print("\n".join(_lines(named, columns)))


def _named() -> dict[str, dict[str, str]]:
    """Names to what they are for, by kind; an empty line where nobody says it."""
    from slimcodec import catalogue, library, registry

    models = library.built_in_models()
    kinds: dict[str, tuple[str, list[str]]] = {
        "models": ("model", list(models)),
        "codecs": ("codec", [name for name in library.codec_names() if name not in models]),
        "families": ("family", list(registry.families)),
        "passes": ("pass", list(registry.passes)),
        "metrics": ("metric", list(registry.metrics)),
        "runtimes": ("runtime", list(registry.runtimes)),
    }
    named = {}
    for kind, (one, names) in kinds.items():
        about = catalogue.about(one)
        named[kind] = {name: about.get(name, about.get(_alike(name), "")) for name in names}
    for kind, shelf in {"recipes": catalogue.recipes, "studies": catalogue.studies}.items():
        named[kind] = {name: catalogue.headline(path) for name, path in shelf.files().items()}
    return named


def _alike(name: str) -> str:
    """``compact:CODEC`` for ``compact:jpeg``; any other name as it is."""
    model, colon, _ = name.partition(":")
    return f"{model}:CODEC" if colon else name


def _lines(named: Mapping[str, Mapping[str, str]], columns: int | None) -> Iterator[str]:
    """Kinds, names and what they are for, folded to so many columns.

    Args:
        named: by kind and by name.
        columns: of the terminal; lines stay whole when None.
    """
    import textwrap

    width = max(len(name) for names in named.values() for name in names)
    for kind, names in named.items():
        yield kind
        if not names:
            yield " " * _BETWEEN + "(none)"
        for name, line in names.items():
            head = f"{'':{_BETWEEN}}{name:{width}}{'':{_BETWEEN}}"
            wide = max((columns or 0) - len(head), width)
            folded = textwrap.wrap(line, wide) if columns else [line]
            yield (head + (folded or [""])[0]).rstrip()
            for more in folded[1:]:
                yield " " * len(head) + more
