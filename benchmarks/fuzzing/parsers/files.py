"""Checkpoints of others, and rows of measurements."""

from __future__ import annotations

import io
import random
import shutil
import sqlite3
import zipfile
from pathlib import Path

from fuzzing.edits import edited_bytes, edited_json
from fuzzing.frames import joined, split
from slimcodec import registry

__all__ = ["Checkpoints", "Rows"]


class Checkpoints:
    """Published checkpoints: zips with a pickle, of both families."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder / "checkpoints", work

    def seeds(self) -> list[bytes]:
        return [
            joined({path.name: path.read_bytes() for path in sorted(own.iterdir())})
            for own in sorted(self.folder.iterdir())
        ]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        try:
            files = split(data)
            name = rng.choice(sorted(files))
            files[name] = _edited_zip(files[name], rng)
        except (ValueError, IndexError):
            return edited_bytes(data, rng)
        return joined(files)

    def forged(self, data: bytes) -> bytes:
        return data

    def use(self, data: bytes) -> None:
        try:
            files = split(data)
        except ValueError:
            return
        own = self.work / "checkpoint"
        shutil.rmtree(own, ignore_errors=True)
        own.mkdir()
        paths = [own / f"{number}.pt" for number in range(len(files))]
        for path, content in zip(paths, files.values(), strict=True):
            path.write_bytes(content)
        family = registry.families.get("hific" if len(paths) == 1 else "toderici")
        family.read_checkpoint(paths)


def _edited_zip(data: bytes, rng: random.Random) -> bytes:
    """One entry edited, the zip's own checks right."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError):
        return edited_bytes(data, rng)
    if not entries or rng.random() < 0.1:
        return edited_bytes(data, rng)
    pickles = [name for name in entries if name.endswith("data.pkl")]
    name = pickles[0] if pickles and rng.random() < 0.7 else rng.choice(sorted(entries))
    entries[name] = edited_bytes(entries[name], rng)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, own in entries.items():
            archive.writestr(name, own)
    return out.getvalue()


class Rows:
    """Rows of a bench, as SQLite and as text, and of sensitivity, as lines: read, and made into
    pages."""

    def __init__(self, folder: Path, work: Path) -> None:
        self.folder, self.work = folder / "rows", work / "rows"

    def seeds(self) -> list[bytes]:
        return [
            joined({path.name: path.read_bytes()})
            for path in (
                self.folder / "bench" / "rows.sqlite",
                self.folder / "bench" / "rows.tsv",
                self.folder / "sensitivity" / "rows.jsonl",
            )
        ]

    def edited(self, data: bytes, rng: random.Random) -> bytes:
        try:
            ((name, own),) = split(data).items()
        except ValueError:
            return edited_bytes(data, rng)
        if name.endswith(".jsonl"):
            lines = own.split(b"\n")
            number = rng.randrange(len(lines))
            lines[number] = edited_json(lines[number], rng)
            return joined({name: b"\n".join(lines)})
        if rng.random() < 0.2:
            return joined({name: edited_bytes(own, rng)})
        if name.endswith(".tsv"):
            cells = own.split(b"\t")
            number = rng.randrange(len(cells))
            cells[number] = edited_bytes(cells[number] or b"0", rng)
            return joined({name: b"\t".join(cells)})
        return joined({name: self._edited_table(own, rng)})

    def _edited_table(self, data: bytes, rng: random.Random) -> bytes:
        path = self.work.with_suffix(".sqlite")
        path.write_bytes(data)
        try:
            db = sqlite3.connect(path)
            db.execute("PRAGMA journal_mode = DELETE")
            keys = [key for (key,) in db.execute("SELECT key FROM rows")]
            key = rng.choice(keys)
            (text,) = db.execute("SELECT data FROM rows WHERE key = ?", (key,)).fetchone()
            with db:
                changed = edited_json(str(text).encode(), rng).decode(errors="replace")
                db.execute("UPDATE rows SET data = ? WHERE key = ?", (changed, key))
            db.close()
        except (sqlite3.DatabaseError, IndexError, ValueError, UnicodeError):
            return edited_bytes(data, rng)
        return path.read_bytes()

    def forged(self, data: bytes) -> bytes:
        return data

    def use(self, data: bytes) -> None:
        from slimcodec.bench import RowStore, rows_to_tsv
        from slimcodec.report import build_report, build_sensitivity_page

        try:
            ((name, own),) = split(data).items()
        except ValueError:
            return
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        if name.endswith(".jsonl"):
            (self.work / "rows.jsonl").write_bytes(own)
            build_sensitivity_page(self.work, 2.0)
            return
        path = self.work / name
        path.write_bytes(own)
        if name.endswith(".tsv"):
            build_report(self.work)
            return
        store = RowStore(path)
        try:
            rows_to_tsv(list(store), self.work / "rows.tsv")
        finally:
            store.close()
        build_report(self.work)
