"""Completion in a shell: verbs, options, and the names that they take.

A shell's script, which is here too, calls the program itself with the words up to the cursor and
``_SLIMCODEC_COMPLETE`` set; what may stand at the cursor is printed, a line each. Where nothing is,
the shell goes on with names of files. typer's own completion would make options at every start, and
takes the words as one text, which loses blanks and quotes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from slimcodec.errors import UnknownNameError

__all__ = ["answer", "candidates", "install", "script"]

_BASH = """\
_slimcodec_complete() {
    local IFS=$'\\n'
    local program="${1/#\\~/$HOME}" words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    COMPREPLY=($(_SLIMCODEC_COMPLETE=1 "$program" "${words[@]}" 2>/dev/null))
}
complete -o default -F _slimcodec_complete slimcodec
"""
_ZSH = """\
#compdef slimcodec
_slimcodec() {
    local -a found
    found=(${(f)"$(_SLIMCODEC_COMPLETE=1 ${~words[1]} "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    if (( $#found )); then
        compadd -- $found
    else
        _files
    fi
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _slimcodec "$@"
else
    compdef _slimcodec slimcodec
fi
"""
_FISH = """\
function __slimcodec_complete
    set -lx _SLIMCODEC_COMPLETE 1
    set -l words (commandline -opc) (commandline -ct)
    $words[1] $words[2..] 2>/dev/null
end
complete -c slimcodec -a '(__slimcodec_complete)'
"""

_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str) -> str:
    """What a shell must read to complete the program's words.

    Raises:
        UnknownNameError: when it is a shell that there is none for.
    """
    if shell not in _SCRIPTS:
        raise UnknownNameError("shell", shell, _SCRIPTS)
    return _SCRIPTS[shell]


def install(shell: str) -> str:
    """Write the script where the shell looks for such, and say in words what is left to do.

    Raises:
        UnknownNameError: when it is a shell that there is none for.
        SlimcodecError: when the file cannot be written.
    """
    from slimcodec.atomic import write_atomically

    text = script(shell)
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path, left = {
        "bash": (
            data / "bash-completion" / "completions" / "slimcodec",
            "without the package bash-completion, add to ~/.bashrc: source {path}",
        ),
        "zsh": (
            data / "zsh" / "site-functions" / "_slimcodec",
            "~/.zshrc needs before compinit: fpath+=({folder})",
        ),
        "fish": (config / "fish" / "completions" / "slimcodec.fish", ""),
    }[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text.encode())
    words = f"{path}: written; it works from the next start of {shell} on"
    return f"{words}; {left.format(path=path, folder=path.parent)}" if left else words


def answer(words: Sequence[str]) -> None:
    """Print what may stand in the place of the last word, a line each."""
    for candidate in candidates(words):
        print(candidate)


def candidates(words: Sequence[str]) -> list[str]:
    """What may stand in the place of the last word, which may have been begun.

    Args:
        words: of the command line behind the program's name, up to the cursor.
    """
    # bash takes "--codec=x" for three words.
    *before, current = words or [""]
    before = [word for word in before if word != "="]
    option, joined, begun = current.partition("=")
    if joined and option.startswith("--"):
        # Other shells leave it one word, and want one back.
        return [f"{option}={name}" for name in candidates([*before, option, begun])]
    if current == "=":
        current = ""
    names = _of_verb(before[0], before[1:], current) if before else _of_program(current)
    return [name for name in names if name.startswith(current)]


def _of_program(current: str) -> Iterable[str]:
    from slimcodec.cli.app import VERBS

    if current.startswith("-"):
        return ("--help", "--version", "--install-completion", "--show-completion")
    return VERBS


def _of_verb(verb: str, before: Sequence[str], current: str) -> Iterable[str]:
    from slimcodec.cli.app import VERBS, command

    if verb in ("--install-completion", "--show-completion"):
        return _SCRIPTS
    if verb not in VERBS:
        return ()
    options: dict[str, Any] = {}
    arguments = []
    for parameter in command(verb).params:
        if parameter.param_type_name == "argument":
            arguments.append(parameter)
        else:
            options |= dict.fromkeys(parameter.opts, parameter)
    place = 0
    waiting: str | None = None
    for word in before:
        if waiting is not None:
            waiting = None
        elif word in options:
            waiting = None if options[word].is_flag else options[word].name
        else:
            place += 1
    if waiting is not None:
        return _values(waiting, current)
    if current.startswith("-"):
        return [*(name for name in options if name.startswith("--")), "--help"]
    if not arguments or (place >= len(arguments) and arguments[-1].nargs != -1):
        return ()
    return _values(arguments[min(place, len(arguments) - 1)].name, current)


def _values(parameter: str, current: str) -> Iterable[str]:
    """The names that an option or an argument takes; of a list with commas, the last one's."""
    if parameter in _LISTS:
        given, comma, _ = current.rpartition(",")
        taken = given.split(",")
        return [given + comma + name for name in _LISTS[parameter]() if name not in taken]
    return _NAMES[parameter]() if parameter in _NAMES else ()


def _codecs() -> list[str]:
    from slimcodec import library

    return library.codec_names()


def _models() -> list[str]:
    from slimcodec import library

    return list(library.built_in_models())


def _looks() -> list[str]:
    from slimcodec import library
    from slimcodec.model_file import FAITHFUL, read_manifest

    manifests = map(read_manifest, library.built_in_models().values())
    return list(dict.fromkeys([FAITHFUL, *(str(m.get("look", FAITHFUL)) for m in manifests)]))


def _recipes() -> list[str]:
    from slimcodec.catalogue import recipes

    return list(recipes.files())


def _studies() -> list[str]:
    from slimcodec.catalogue import studies

    return list(studies.files())


def _families() -> list[str]:
    from slimcodec import registry

    return list(registry.families)


def _metrics() -> list[str]:
    from slimcodec import registry

    return list(registry.metrics)


def _parts() -> list[str]:
    from slimcodec import registry

    parts = [part for name in registry.families for part in registry.families.get(name).parts]
    return list(dict.fromkeys(parts))


def _runtimes() -> list[str]:
    from slimcodec import registry

    return list(registry.runtimes)


def _readable() -> list[str]:
    return [*_models(), *_recipes(), *_studies()]


_NAMES: dict[str, Callable[[], list[str]]] = {
    "codec": _codecs,
    "codecs": _codecs,
    "family": _families,
    "init": _models,
    "look": _looks,
    "path": _readable,
    "recipe": _recipes,
    "runtime": _runtimes,
    "studies": _studies,
    "teacher": _models,
}
"""Of parameters of whatever verb, by their names: what they take besides files."""
_LISTS: dict[str, Callable[[], list[str]]] = {"metrics": _metrics, "parts": _parts}
"""The same of those that take several, with commas between."""
