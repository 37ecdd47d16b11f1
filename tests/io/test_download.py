"""Downloads from a server on this machine that misbehaves in every way a network does."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from genomed.errors import NetworkError, OutputError, UsageError
from genomed.io.download import DownloadSettings, download, published_md5

CONTENT = bytes(range(256)) * 4000  # 1 MB
MD5 = hashlib.md5(CONTENT).hexdigest()
QUICK = DownloadSettings(timeout_s=5, attempts=3, backoff_s=0)


class Misbehaving(BaseHTTPRequestHandler):
    """Serves CONTENT; the path's first part says how: /drop/x breaks off half-way, and so on."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers.get("Range")))  # type: ignore[attr-defined]
        self.close_connection = True
        n_before = sum(path == self.path for path, _ in self.server.requests) - 1  # type: ignore[attr-defined]
        way = self.path.split("/")[1]
        if self.path.endswith(".md5"):
            return self.answer_md5(way)
        start = self.first_byte()
        if way == "missing":
            return self.answer(404, b"no such file")
        if way == "forbidden":
            return self.answer(403, b"no")
        if way == "down" or (way == "busy" and n_before < 2):
            return self.answer(503, b"later")
        if way == "away":
            self.send_response(302)
            self.send_header("Location", "http://example.org/else")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if way == "moved":
            self.send_response(302)
            self.send_header("Location", "/whole/file")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        if start >= len(CONTENT):
            return self.answer(416, b"")
        if way in ("no-range", "drop-no-range"):
            start = 0
        if way == "other-range" and start and n_before < 2:
            start -= 7
        body = CONTENT[start:]
        if way == "wrong":
            body = body[:-1] + b"?"
        sent = body
        if way in ("drop", "drop-no-range"):
            sent = body[: max(300_000, 1)]
        if way == "stuck":
            sent = body[:1000] if not start else b""
        if way == "never-ending":
            sent = body[: len(body) // 2] if n_before < 30 else b""
        self.answer(206 if start else 200, sent, start, len(body))

    def first_byte(self) -> int:
        return int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))

    def answer_md5(self, way: str) -> None:
        if way == "no-md5":
            return self.answer(404, b"")
        text = {"odd-md5": b"<html>", "down": b""}.get(way, f"{MD5}  file\n".encode())
        self.answer(503 if way == "down" else 200, text)

    def answer(self, status: int, body: bytes, start: int = 0, length: int | None = None) -> None:
        self.send_response(status)
        total = len(body) if length is None else length
        self.send_header("Content-Length", str(total))
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{start + total - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    running = ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving)
    running.requests = []  # type: ignore[attr-defined]
    running.url = f"http://127.0.0.1:{running.server_port}"  # type: ignore[attr-defined]
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield running
    running.shutdown()
    thread.join(10)
    running.server_close()


def fetched(server, way: str, target: Path, **options) -> bytes:
    download(f"{server.url}/{way}/file", target, settings=QUICK, **options)
    assert list(target.parent.iterdir()) == [target]
    return target.read_bytes()


@pytest.mark.parametrize(
    ("way", "ranges"),
    [
        ("whole", [None]),
        ("drop", [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]),
        ("busy", [None, None, None]),
        ("moved", [None, None]),
    ],
)
def test_a_file_arrives_whole(server, tmp_path, way, ranges):
    assert fetched(server, way, tmp_path / "file", md5=MD5) == CONTENT
    assert [asked for _, asked in server.requests] == ranges


@pytest.mark.parametrize("way", ["whole", "no-range", "other-range", "drop"])
def test_a_download_goes_on_from_its_part_file(server, tmp_path, way):
    (tmp_path / "file.part").write_bytes(CONTENT[:400_000])
    assert fetched(server, way, tmp_path / "file", md5=MD5) == CONTENT
    assert server.requests[0][1] == "bytes=400000-"


@pytest.mark.parametrize("stale", [b"x" * 10, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 5)])
def test_a_part_of_another_file_is_thrown_away(server, tmp_path, stale):
    (tmp_path / "file.part").write_bytes(stale)
    assert fetched(server, "whole", tmp_path / "file", md5=MD5) == CONTENT


@pytest.mark.parametrize(
    ("way", "message", "n_requests"),
    [
        ("missing", "no such file", 1),
        ("forbidden", "status 403", 1),
        ("down", r"status 503\) after 3 attempts", 3),
        ("stuck", r"connection ended after 1000 of .* after 3 attempts", 4),
        ("drop-no-range", r"connection ended after 300000 of .* after 3 attempts", 4),
        ("wrong", "is published, twice over", 2),
    ],
)
def test_a_failure_for_good_is_one_sentence(server, tmp_path, way, message, n_requests):
    target = tmp_path / "file"
    with pytest.raises(NetworkError, match=message):
        download(f"{server.url}/{way}/file", target, md5=MD5, settings=QUICK)
    assert not target.exists()
    assert len(server.requests) == n_requests


def test_what_arrived_before_a_failure_is_kept_for_the_next_call(server, tmp_path):
    with pytest.raises(NetworkError, match="goes on from there"):
        download(f"{server.url}/stuck/file", tmp_path / "file", settings=QUICK)
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:1000]
    assert fetched(server, "whole", tmp_path / "file") == CONTENT
    assert server.requests[-1][1] == "bytes=1000-"


def test_a_server_that_is_not_there_is_a_network_error(tmp_path):
    with pytest.raises(NetworkError, match="cannot be fetched"):
        download("http://127.0.0.1:9/file", tmp_path / "file", settings=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_waiting_doubles_up_to_a_limit(server, tmp_path):
    waits: list[float] = []
    settings = DownloadSettings(attempts=5, backoff_s=1, max_backoff_s=5)
    with pytest.raises(NetworkError):
        download(
            f"{server.url}/down/file", tmp_path / "file", settings=settings, sleep=waits.append
        )
    assert waits == [1, 2, 4, 5]


def test_progress_ends_at_the_size_of_the_file(server, tmp_path):
    seen: list[tuple[int, int | None]] = []
    fetched(server, "drop", tmp_path / "file", progress=lambda *step: seen.append(step))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize(
    "url", ["http://example.org/x", "ftp://127.0.0.1/x", "file:///etc/passwd", "x", "https:///x"]
)
def test_only_https_leaves_this_machine(url, tmp_path):
    with pytest.raises(UsageError, match="HTTPS only"):
        download(url, tmp_path / "file")


def test_a_redirect_cannot_lead_to_plain_http(server, tmp_path):
    with pytest.raises(UsageError, match="HTTPS only"):
        download(f"{server.url}/away/file", tmp_path / "file", settings=QUICK)
    assert list(tmp_path.iterdir()) == []


def test_two_at_a_time_do_not_mix(server, tmp_path):
    import fcntl

    with (tmp_path / "file.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(OutputError, match="another process is fetching"):
            download(f"{server.url}/whole/file", tmp_path / "file", settings=QUICK)


def test_a_directory_that_cannot_be_made_is_an_output_error(server, tmp_path):
    (tmp_path / "plain").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        download(f"{server.url}/whole/file", tmp_path / "plain" / "file", settings=QUICK)


def test_the_published_digest_is_found_or_known_to_be_absent(server):
    assert published_md5(f"{server.url}/whole/file", settings=QUICK) == MD5
    assert published_md5(f"{server.url}/no-md5/file", settings=QUICK) is None
    with pytest.raises(NetworkError, match="holds no MD5"):
        published_md5(f"{server.url}/odd-md5/file", settings=QUICK)
    with pytest.raises(NetworkError, match="cannot be fetched"):
        published_md5(f"{server.url}/down/file", settings=QUICK)
