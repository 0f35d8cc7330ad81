"""Grids: codecs x qualities x images into rows, whoever measures them.

Whoever has the rows' file makes jobs of what is missing in it, hands them to an executor, and is
the only one to write what comes back: first the picture, where it is kept, then the row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

from slimcodec.atomic import held
from slimcodec.bench import opening
from slimcodec.bench.environment import in_words
from slimcodec.bench.executors import Executor, InProcess
from slimcodec.bench.jobs import Candidate, Job, Measurement
from slimcodec.bench.rows import RowStore, row_key
from slimcodec.errors import SlimcodecError, UsageError
from slimcodec.images import write_image
from slimcodec.types import Image

__all__ = ["picture_name", "run_grid"]

PICTURES = "pictures"
_ALONE = InProcess()


def run_grid(
    candidates: Sequence[Candidate],
    images: Sequence[Path],
    metrics: Sequence[str],
    store: RowStore,
    *,
    repeats: int = 3,
    pictures: int = 3,
    always: Collection[str] = (),
    executor: Executor = _ALONE,
    on_progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> None:
    """Measure every candidate at each of its qualities on every image; skip rows that are there.

    Args:
        candidates: what to measure; candidates alternate within an image, so that the machine's
            drift falls on all of them.
        images: files to measure on.
        metrics: names of metrics that can be had (``load_metrics``).
        store: where rows go.
        repeats: timed runs of each encode and decode.
        pictures: of so many first images, the decoded pictures are kept beside the rows.
        always: file names of images whose pictures are kept as well.
        executor: who measures; this process, one after the other, when not given.
        on_progress: called with (done, total, what is worked on).

    Raises:
        UsageError: when there is nothing to measure, or two would keep their pictures under one
            name, or rows are there already of a variant that another model or other versions of
            what decides bytes made, or of another picture of the same name.
    """
    if not candidates or not images:
        raise UsageError("there is nothing to measure; name a codec and an image at least")
    with ExitStack() as closing_down:
        closing_down.callback(opening.forget)
        _claim(store.path.parent, closing_down)
        known = [_known(candidate) for candidate in candidates]
        _refuse_others(known, store)
        store.expect([each.candidate.variant for each in known])
        grid = _Grid(known, images, store, pictures, always, on_progress)
        grid.refuse_one_place_for_two()
        plain = Job(candidates[0], images[0], "", "", {}, tuple(metrics), repeats)
        plain = replace(plain, threads=executor.threads, beside=executor.beside)
        with closing(executor.run(grid.jobs(plain))) as measurements:
            for measurement in measurements:
                grid.keep(measurement)
        on_progress(grid.total, grid.total, "done")


def _claim(folder: Path, until: ExitStack) -> None:
    """Two benches at once would each take the other's rows for missing, and its versions unseen.

    Raises:
        UsageError: when another process has the folder.
    """
    try:
        until.enter_context(held(folder))
    except BlockingIOError as error:
        raise UsageError(
            f"another bench or study measures into {folder}; wait for it, or name another folder "
            "with --out"
        ) from error


@dataclass(frozen=True)
class _Known:
    """A candidate with what its rows' keys are made of."""

    candidate: Candidate
    digest: str
    environment: Mapping[str, str]

    def key(self, quality: float, image_digest: str) -> str:
        variant, runtime = self.candidate.variant, opening.runtime_of(self.candidate.codec)
        return row_key(variant, self.digest, runtime, quality, image_digest, self.environment)


def _known(candidate: Candidate) -> _Known:
    whole = replace(candidate, codec=candidate.codec.anywhere())
    codec, environment = opening.opened(whole.codec), opening.environment(whole.codec)
    return _Known(whole, codec.digest, environment)


class _Grid:
    """What is to be done, what is done, and where it goes."""

    def __init__(
        self,
        known: Sequence[_Known],
        images: Sequence[Path],
        store: RowStore,
        pictures: int,
        always: Collection[str],
        on_progress: Callable[[int, int, str], None],
    ) -> None:
        self.known, self.images, self.store = known, images, store
        self.pictures, self.always, self.on_progress = pictures, always, on_progress
        self.done, self.total = 0, len(images) * sum(len(k.candidate.qualities) for k in known)
        self._given: set[str] = set()
        self._held = {row.image: row.image_digest for row in store}

    def refuse_one_place_for_two(self) -> None:
        """Before one's pictures are written over another's.

        Raises:
            UsageError: naming the two.
        """
        kept = [path for number, path in enumerate(self.images) if self._keeps(number, path)]
        if not kept:
            return
        variants = dict.fromkeys(known.candidate.variant for known in self.known)
        places = [(path.stem, path.name) for path in dict.fromkeys(kept)]
        places += [(picture_name(variant, 0), variant) for variant in variants]
        first: dict[str, str] = {}
        for place, name in places:
            if first.setdefault(place, name) != name:
                raise UsageError(
                    f"pictures of {first[place]} and of {name} would lie in one place; rename one, "
                    "or keep no pictures: --pictures 0"
                )

    def _keeps(self, number: int, path: Path) -> bool:
        """Whether decoded pictures of an image are kept."""
        return number < self.pictures or path.name in self.always

    def _refuse_another_picture(self, name: str, digest: str) -> None:
        """What has one name on a page must be one picture."""
        if self._held.get(name, digest) != digest:
            raise UsageError(
                f"{self.store.path} holds rows of another picture called {name}; name another "
                "folder with --out"
            )

    def jobs(self, plain: Job) -> Iterator[Job]:
        """What is missing, image by image; ``plain`` has what all jobs have in common."""
        for number, path in enumerate(self.images):
            picture = opening.picture(path)
            self._refuse_another_picture(path.name, picture.digest)
            keeps = self._keeps(number, path)
            if keeps:
                _write(self._folder(path) / "original.png", picture.pixels)
            for known in self.known:
                qualities = known.candidate.qualities
                wanted = tuple(
                    q for q in qualities if self._is_missing(plain, known, q, path, keeps)
                )
                self.done += len(qualities) - len(wanted)
                if wanted:
                    job = replace(
                        plain,
                        candidate=replace(known.candidate, qualities=wanted),
                        image=path.absolute(),
                        image_digest=picture.digest,
                        digest=known.digest,
                        environment=known.environment,
                        keeps_pictures=keeps,
                    )
                    self.on_progress(self.done, self.total, job.what)
                    yield job

    def keep(self, measurement: Measurement) -> None:
        """Write the picture, then the row: where there is a row, its picture is there.

        A row of before is of the same bytes and pixels: metrics that only it knows stay, and so do
        its times where they are of more repeats, or of as many and nothing ran beside them.

        Raises:
            SlimcodecError: when it is not of the same bytes.
        """
        row, before = measurement.row, self.store.find(measurement.row.key)
        if before is not None:
            if before.stream_bytes != row.stream_bytes:
                raise SlimcodecError(
                    f"{row.variant} encodes {row.image} to {row.stream_bytes:,} bytes, and in "
                    f"{self.store.path} it is {before.stream_bytes:,} of the same model and "
                    "versions; name another folder with --out"
                )
            timed = max((row, before), key=lambda each: (each.repeats, not each.beside))
            row = replace(timed, metrics={**before.metrics, **row.metrics})
        if measurement.decoded is not None:
            name = _picture(self._folder(Path(row.image)), row.variant, row.quality)
            _write(name, measurement.decoded)
        self.store.add(row)
        self.done += 1
        self.on_progress(self.done, self.total, f"{row.image} · {row.variant} · {row.quality:g}")

    def _is_missing(
        self, plain: Job, known: _Known, quality: float, path: Path, keeps: bool
    ) -> bool:
        """Whether the row is not there, or knows less than is asked for: a metric, as many
        repeats, the picture where pictures are kept."""
        key = known.key(quality, opening.picture(path).digest)
        if key in self._given:  # another file with the same pixels
            return False
        folder, variant = self._folder(path), known.candidate.variant
        row = self.store.find(key)
        if (
            row is not None
            and row.metrics.keys() >= set(plain.metrics)
            and row.repeats >= plain.repeats
            and (not keeps or _picture(folder, variant, quality).exists())
        ):
            return False
        self._given.add(key)
        return True

    def _folder(self, path: Path) -> Path:
        return self.store.path.parent / PICTURES / path.stem


def _picture(folder: Path, variant: str, quality: float) -> Path:
    return folder / f"{picture_name(variant, quality)}.png"


def picture_name(variant: str, quality: float) -> str:
    """File name, without suffix, of a kept picture."""
    safe = "".join(c if c.isalnum() or c in "-.+" else "_" for c in variant)
    return f"{safe}@{quality:g}"


def _write(path: Path, image: Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, image)


def _refuse_others(candidates: Sequence[_Known], store: RowStore) -> None:
    """Rows of two models or environments under one label would be averaged into a figure of
    neither."""
    own: dict[str, _Known] = {}
    for known in candidates:
        name = known.candidate.variant
        if own.setdefault(name, known).digest != known.digest:
            raise UsageError(
                f"two different models are called {name!r}; measure them into two "
                "folders, or give one another name"
            )
    for row in store:
        mine = own.get(row.variant)
        if mine is None:
            continue
        if row.environment != mine.environment and row.environment:
            raise UsageError(
                f"{store.path} holds rows of {row.variant!r} made with "
                f"{in_words(row.environment, mine.environment)}; here it is "
                f"{in_words(mine.environment, row.environment)}; name another folder with --out"
            )
        if row.digest != mine.digest:
            raise UsageError(
                f"{store.path} holds rows of another model under the name {row.variant!r}; "
                "name another folder with --out"
            )
        if row.environment != mine.environment:
            raise UsageError(
                f"{store.path} holds rows of {row.variant!r} from before rows said which versions "
                f"made them; here it is {in_words(mine.environment, {})}; name another folder with "
                "--out"
            )
