"""The command line: one file a verb; each parses, calls the library, and renders.

Nothing heavy is imported until a verb runs, so ``--help`` answers at once.
"""

from slimcodec.cli.app import main
from slimcodec.cli.leaving import run

__all__ = ["main", "run"]
