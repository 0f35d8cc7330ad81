"""The type checker behind jaxtyping in tests: beartype, with an int good enough for a float."""

from __future__ import annotations

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
