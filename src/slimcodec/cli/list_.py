"""slimcodec list: every name that can be used."""

from __future__ import annotations

from slimcodec.cli.options import Json


def list_(json: Json = False) -> None:
    """List models, codecs, recipes, studies, passes, metrics and runtimes by name."""
    from slimcodec import catalogue, library, registry
    from slimcodec.cli.console import print_json
    from slimcodec.runtime import DEFAULT

    models = library.built_in_models()
    names = {
        "models": list(models),
        "codecs": [name for name in library.codec_names() if name not in models],
        "families": list(registry.families),
        "passes": list(registry.passes),
        "metrics": list(registry.metrics),
        "runtimes": list(registry.runtimes),
    }
    headed = {"recipes": catalogue.recipes, "studies": catalogue.studies}
    lines = {
        kind: {name: catalogue.headline(path) for name, path in shelf.files().items()}
        for kind, shelf in headed.items()
    }
    if json:
        print_json({**names, **lines})
        return
    names["runtimes"] = [f"{n} (default)" if n == DEFAULT else n for n in names["runtimes"]]
    for kind, values in names.items():
        print(f"{kind:10} {', '.join(values) or '(none)'}")
    width = max(len(name) for named in lines.values() for name in named)
    for kind, named in lines.items():
        for number, (name, line) in enumerate(named.items()):
            print(f"{kind if number == 0 else '':10} {name:{width}}  {line}")
