"""Fetch one file over HTTPS so that it is whole and is what its publisher says, or not there.

A download goes to a ``.part`` file that a later call goes on from; it is checked against the MD5
its publisher gives beside it, where there is one, and renamed. Plain HTTP is accepted from this
machine only.
"""

import errno
import fcntl
import hashlib
import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from genomed import __version__
from genomed.errors import NetworkError, OutputError, UsageError

__all__ = ["PATIENT", "DownloadSettings", "download", "published_md5"]

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_PIECE_BYTES = 1 << 18
_MAX_MD5_BYTES = 1 << 16
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that are worth another try

Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class DownloadSettings:
    """How patient a download is."""

    timeout_s: float = 30.0  # without a byte
    attempts: int = 5  # in a row that bring nothing new
    backoff_s: float = 0.5  # before the second attempt; doubled before each further one
    max_backoff_s: float = 30.0


PATIENT = DownloadSettings()


class _Interrupted(Exception):  # noqa: N818 - not an error until it has happened too often
    """A failure that another attempt may mend."""


class _RangeRefused(_Interrupted):
    """The server has no bytes where the part file ends: it is whole, or of another file."""


class _CheckedRedirects(HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        _check_url(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(
    url: str,
    target: Path,
    *,
    md5: str | None = None,
    settings: DownloadSettings = PATIENT,
    progress: Progress = lambda done, total: None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring `url` to `target`, going on from what an earlier call left in `target`.part.

    md5      : hexadecimal digest the file must have; None where none was published
    progress : called with the bytes so far, and in all (None where the server does not say)
    Raises NetworkError when it fails for good, OutputError when it cannot be written.
    """
    _check_url(url)
    part = target.with_name(f"{target.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with _held(part) as stream:
            for _ in range(2):  # what an earlier call left may be of an earlier file
                _until_whole(url, stream, settings, progress, sleep)
                found = _md5_of(stream)
                if md5 is None or found == md5.lower():
                    part.replace(target)
                    return
                stream.truncate(0)
    except OSError as error:
        raise OutputError(
            f"{part}: cannot be written ({error.strerror}); free some space or choose --library"
        ) from None
    raise NetworkError(
        f"{url}: its MD5 is {found}, but {md5} is published, twice over; tell the publisher"
    )


def published_md5(
    url: str,
    *,
    settings: DownloadSettings = PATIENT,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """The digest that ``url.md5`` gives; None when the server has no such file."""
    _check_url(url)
    for failures in range(1, settings.attempts + 1):
        try:
            with _answer(f"{url}.md5", settings, offset=0) as answer:
                words = answer.read(_MAX_MD5_BYTES).decode("ascii", "replace").split()
            break
        except FileNotFoundError:
            return None
        except (_Interrupted, OSError, http.client.HTTPException) as error:
            if failures == settings.attempts:
                raise NetworkError(
                    f"{url}.md5: cannot be fetched ({error}); try again later"
                ) from None
            sleep(_wait(settings, failures))
    if words and len(words[0]) == 32 and set(words[0].lower()) <= set("0123456789abcdef"):
        return words[0].lower()
    raise NetworkError(f"{url}.md5: holds no MD5; tell the publisher, or give another source")


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return
    if parts.scheme != "https" or not parts.hostname:
        raise UsageError(f"{url!r} is not an https:// address; models are fetched over HTTPS only")


@contextmanager
def _held(part: Path) -> Iterator[IO[bytes]]:
    """The part file, open to read and append, which no other process then writes to."""
    with part.open("a+b") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise OutputError(
                    f"{part}: another process is fetching this; wait for it to end"
                ) from None  # elsewhere: a file system without locks
        try:
            yield stream
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()


def _wait(settings: DownloadSettings, failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return min(settings.backoff_s * 2 ** max(failures - 1, 0), settings.max_backoff_s)


def _until_whole(
    url: str,
    stream: IO[bytes],
    settings: DownloadSettings,
    progress: Progress,
    sleep: Callable[[float], None],
) -> None:
    """Try until the server's last byte is there, or `attempts` in a row brought nothing new."""
    furthest, failures = _size(stream), 0
    while True:
        try:
            return _go_on(url, stream, settings, progress)
        except FileNotFoundError as error:
            raise NetworkError(f"{url}: {error}; check the name and the build") from None
        except _Interrupted as error:
            failures = 0 if _size(stream) > furthest else failures + 1
            furthest = max(furthest, _size(stream))
            if failures == settings.attempts:
                raise NetworkError(
                    f"{url}: cannot be fetched ({error}) after {failures} attempts that brought "
                    "nothing new; run the same command later, it goes on from there"
                ) from None
            sleep(_wait(settings, failures))


def _go_on(url: str, stream: IO[bytes], settings: DownloadSettings, progress: Progress) -> None:
    """One attempt from where the part file ends; raises _Interrupted unless it got to the end."""
    offset = _size(stream)
    try:
        opened = _answer(url, settings, offset)
    except _RangeRefused:
        stream.truncate(0)
        raise
    with opened as answer:
        start = _first_byte(answer)
        if start != offset:  # the server sends it from the start, or from somewhere else
            stream.truncate(0)
            if start:
                raise _Interrupted("the server answered with another part of the file")
        length = answer.headers.get("Content-Length")
        total = start + int(length) if length and length.isdigit() else None
        done = start
        while piece := _read_piece(answer):
            stream.write(piece)
            done += len(piece)
            progress(done, total)
        stream.flush()
    if total is not None and done != total:
        raise _Interrupted(f"the connection ended after {done} of {total} bytes")


def _first_byte(answer: http.client.HTTPResponse) -> int:
    if answer.status != http.client.PARTIAL_CONTENT:
        return 0
    span = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(span) if span.isdigit() else -1


def _read_piece(answer: http.client.HTTPResponse) -> bytes:
    try:
        return answer.read(_PIECE_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(f"the connection broke: {error}") from None


def _answer(url: str, settings: DownloadSettings, offset: int) -> http.client.HTTPResponse:
    """Open `url` from byte `offset`; _Interrupted, FileNotFoundError or NetworkError otherwise."""
    headers = {"User-Agent": f"genomed/{__version__}", "Accept-Encoding": "identity"}
    if offset:
        headers["Range"] = f"bytes={offset}-"
    opener = build_opener(_CheckedRedirects)
    try:
        return opener.open(Request(url, headers=headers), timeout=settings.timeout_s)
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(f"the server has no such file (status {error.code})") from None
        if error.code == 416:
            raise _RangeRefused("the server has less than was fetched before") from None
        if error.code in _PASSING:
            raise _Interrupted(f"status {error.code}") from None
        raise NetworkError(
            f"{url}: refused by the server (status {error.code} {error.reason}); "
            "check the address, and the proxy if there is one"
        ) from None
    except (URLError, OSError, http.client.HTTPException) as error:
        raise _Interrupted(str(getattr(error, "reason", error))) from None


def _size(stream: IO[bytes]) -> int:
    stream.flush()
    return stream.seek(0, 2)


def _md5_of(stream: IO[bytes]) -> str:
    stream.flush()
    stream.seek(0)
    digest = hashlib.md5(usedforsecurity=False)
    while piece := stream.read(1 << 20):
        digest.update(piece)
    return digest.hexdigest()
