"""One job of the queue on a GPU, in the minutes that it is there.

    python recipes/gpu/job.py --photos runs/gpu/photos.pack --out OUT --minutes 9

Everything comes out of these minutes: start-up, unpacking, training that ends annealed, and the
comparison of new weights with old. OUT then holds NAME.slim, curve.tsv and summary.md. A run that
is cut off leaves a NAME.slim of at most two minutes before. README.md says how to go on from it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

STARTED = time.monotonic()
ROOT = Path(__file__).resolve().parents[2]
QUEUE = Path(__file__).parent / "queue.toml"


def main(arguments: Sequence[str] | None = None, started: float | None = None) -> int:
    """The command; its exit status.

    Args:
        arguments: those of the command line when None.
        started: when the clock began; now when None.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--photos", type=Path, help="the pack; --dry-run does without")
    parser.add_argument("--out", type=Path, required=True, help="folder for what comes back")
    parser.add_argument("--minutes", type=float, default=9.0, help="all in all")
    parser.add_argument("--queue", type=Path, default=QUEUE, help="another than queue.toml")
    parser.add_argument("--job", help="a name of the queue; its first one when not given")
    parser.add_argument("--from", dest="start", type=Path, metavar="FILE.slim",
                        help="weights to go on from")  # fmt: skip
    parser.add_argument("--dry-run", action="store_true", help="all of it in seconds, on a CPU")
    chosen = parser.parse_args(arguments)
    # The package is the one of this checkout: where this runs, none needs to be installed.
    sys.path.insert(0, str(ROOT / "src"))
    from running import Wanted, run

    from slimcodec.errors import SlimcodecError

    wanted = Wanted(
        chosen.photos,
        chosen.out,
        chosen.minutes,
        chosen.queue,
        chosen.job,
        chosen.start,
        chosen.dry_run,
    )
    try:
        return run(wanted, time.monotonic() if started is None else started)
    except SlimcodecError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the last weights that were saved are kept", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(started=STARTED))
