"""Getting a public trace from where it is published: checked, whole or not at all, kept.

A file is downloaded beside its place under a name of its own, and renamed into place only if
its size and SHA-256 are those of the catalogue: a broken connection leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from splitsim.errors import BadInput
from splitsim.measure.datasets import PUBLISHED_AT, Dataset, DatasetFile

TIMEOUT_S = 30.0  # without a byte
CHUNK_BYTES = 1 << 16
ARCHIVE_BYTES = 100 << 20  # at most: GitHub keeps no larger file
NOT_THERE = (404, 410)

Progress = Callable[[int, int], None]  # bytes there, bytes in all


class FetchFailed(OSError):
    """A file could not be had: which, and what would have been done with it."""


def fetch(
    dataset: Dataset,
    *,
    base: str = PUBLISHED_AT,
    timeout_s: float = TIMEOUT_S,
    progress: Progress | None = None,
) -> list[Path]:
    """Get the files of a data set that are not here yet, and check those that are.

    Args:
        dataset: from ``catalogue``.
        base: an address laid out like raw.githubusercontent.com, to fetch from.
        timeout_s: how long nothing may arrive.
        progress: told the bytes that are there, and those of all files.

    Returns:
        Where the files are.

    Raises:
        FetchFailed: one could not be had; those before it are kept.
        BadInput: a file that is here is not what it must be, or ``base`` is no address.
    """
    check_base(base)
    places, done_bytes = [], 0
    for file in dataset.files:
        done_bytes += file.size_bytes
        place = _held(dataset, file)
        if place is None:
            place = dataset.place(file)
            before_bytes = done_bytes - file.size_bytes

            def tell(now_bytes: int, before_bytes: int = before_bytes) -> None:
                if progress is not None:
                    progress(before_bytes + now_bytes, dataset.size_bytes)

            _fetch(file, place, base, timeout_s, tell)
        places.append(place)
        if progress is not None:
            progress(done_bytes, dataset.size_bytes)
    return places


def check_base(base: str) -> None:
    """Raise BadInput unless files can be fetched from below an address."""
    try:
        parts = urlsplit(base)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise BadInput(f"--mirror: {base!r} is no address; give one like {PUBLISHED_AT}")


def plan(file: DatasetFile, place: Path, base: str = PUBLISHED_AT) -> str:
    """What fetching a file would do."""
    what = f"{file.name} ({file.size_bytes:,} bytes, sha256 {file.sha256})"
    member = f" as a member of {file.paths[0]}" if file.archive else ""
    return f"{what}{member} from {' or '.join(file.addresses(base))} to {place}"


def _held(dataset: Dataset, file: DatasetFile) -> Path | None:
    """Where a file lies already, once it is known to be the right one."""
    place = dataset.here(file)
    if place is not None and _sha256(place) != file.sha256:
        remedy = "delete it and fetch it again"
        raise BadInput(f"{place}: is not the published file (its SHA-256 differs); {remedy}")
    return place


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(
    file: DatasetFile, place: Path, base: str, timeout_s: float, tell: Callable[[int], None]
) -> None:
    """Download, check, and put a file into its place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with _beside(place) as partial:
        try:
            with partial.open("wb") as out:
                _download(file, base, timeout_s, out, tell)
            if file.archive:
                _take_member(file, partial)
            _check(file, partial)
        except (OSError, http.client.HTTPException) as error:
            what = f"{_reason(error)}; nothing was written. To do: fetch {plan(file, place, base)}"
            raise FetchFailed(what) from error
        partial.replace(place)


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A file of a name of its own in the same folder, gone afterwards unless it was renamed."""
    handle, name = tempfile.mkstemp(prefix=f".{place.name}.", suffix=".partial", dir=place.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
    finally:
        partial.unlink(missing_ok=True)
        with suppress(OSError):  # there is something in it
            place.parent.rmdir()


def _download(
    file: DatasetFile, base: str, timeout_s: float, out: IO[bytes], tell: Callable[[int], None]
) -> None:
    """The first address that has it; others are looked at only where it is not there."""
    *others, last = file.addresses(base)
    for address in others:
        try:
            return _get(file, address, timeout_s, out, tell)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code not in NOT_THERE:
                raise
    return _get(file, last, timeout_s, out, tell)


def _get(
    file: DatasetFile,
    address: str,
    timeout_s: float,
    out: IO[bytes],
    tell: Callable[[int], None],
) -> None:
    most_bytes = ARCHIVE_BYTES if file.archive else file.size_bytes
    request = urllib.request.Request(address, headers={"User-Agent": "splitsim"})
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        got_bytes = 0
        while chunk := answer.read(CHUNK_BYTES):
            got_bytes += len(chunk)
            if got_bytes > most_bytes:
                raise FetchFailed(f"{address} sends more than {most_bytes:,} bytes")
            out.write(chunk)
            tell(min(got_bytes, file.size_bytes))
    announced = answer.headers.get("Content-Length")
    if announced is not None and got_bytes < int(announced):
        raise FetchFailed(f"the connection broke after {got_bytes:,} of {announced} bytes")


def _take_member(file: DatasetFile, partial: Path) -> None:
    """Replace an archive by the member that has the size and the hash."""
    try:
        member = _member(file, partial)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:  # zipfile's ways
        raise FetchFailed(f"the archive {file.paths[0]} cannot be unpacked ({error})") from error
    if member is None:
        raise FetchFailed(f"the archive {file.paths[0]} has no member of that size and hash")
    partial.write_bytes(member)


def _member(file: DatasetFile, partial: Path) -> bytes | None:
    with zipfile.ZipFile(partial) as archive:
        sized = [info for info in archive.infolist() if info.file_size == file.size_bytes]
        members = (archive.read(info) for info in sized)
        return next((m for m in members if hashlib.sha256(m).hexdigest() == file.sha256), None)


def _check(file: DatasetFile, partial: Path) -> None:
    size = partial.stat().st_size
    if size != file.size_bytes:
        raise FetchFailed(
            f"{file.name}: {size:,} bytes came where {file.size_bytes:,} were expected"
        )
    found = _sha256(partial)
    if found != file.sha256:
        raise FetchFailed(f"{file.name}: what came has another SHA-256, {found}")


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return f"{error.url} answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        cause = error.reason
        return f"no server can be reached ({getattr(cause, 'strerror', None) or cause})"
    if isinstance(error, TimeoutError):
        return "the server fell silent"
    return str(error) or type(error).__name__
