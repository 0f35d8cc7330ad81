"""Templates: pages come out of these and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from slimcodec.errors import MissingExtraError

__all__ = ["template"]

_TEMPLATES = Path(__file__).parent / "templates"


def template(name: str) -> Any:
    """One of the templates.

    Raises:
        MissingExtraError: when Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("the HTML report", "report") from error
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
