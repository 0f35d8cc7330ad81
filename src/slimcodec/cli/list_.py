"""slimcodec list: every name that can be used."""

from __future__ import annotations

from slimcodec.cli.options import Json


def list_(json: Json = False) -> None:
    """List codecs, model families, passes, metrics and runtimes by name."""
    from slimcodec import library, registry
    from slimcodec.cli.console import print_json
    from slimcodec.runtime import DEFAULT

    names = {
        "models": list(library.built_in_models()),
        "codecs": list(registry.codecs),
        "families": list(registry.families),
        "passes": list(registry.passes),
        "metrics": list(registry.metrics),
        "runtimes": list(registry.runtimes),
    }
    if json:
        print_json(names)
        return
    names["runtimes"] = [f"{n} (default)" if n == DEFAULT else n for n in names["runtimes"]]
    for kind, values in names.items():
        print(f"{kind:10} {', '.join(values) or '(none)'}")
