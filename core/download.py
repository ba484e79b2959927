"""Files from the network: received whole or told why not, resumed where the server can, and checked."""

from __future__ import annotations

import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from core.humanise import size as human_size
from core.reading import open_regular

NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ssl.SSLError,
    TimeoutError,
    ConnectionError,
)
"""What `receive` raises where the network or the server is at fault."""
_CHUNK = 1 << 18
_TIMEOUT = 30.0
_PARTIAL = 206
_NOT_SATISFIABLE = 416


class Cancelled(Exception):
    """A download was given up because the user asked to stop."""


def receive(
    url: str,
    part: Path,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
    expected: int = 0,
) -> None:
    """Append to `part` what is missing of `url`, or write it anew when the server sends all of it.

    `progress` is called with the bytes done and those of the whole file (`expected` where the server does not
    say, 0 when nobody knows), first when the answer is there. What has come stays in `part` when this raises:
    Cancelled when `cancelled()` turns true, NETWORK_ERRORS, another OSError for a disk that is full.
    """
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "labtui", **({"Range": f"bytes={have}-"} if have else {})}
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == _NOT_SATISFIABLE and have:  # all of it is there
            return
        raise
    with answer:
        if answer.status != _PARTIAL:
            have = 0
        said = answer.headers.get("Content-Length") or ""
        length = int(said) if said.isdecimal() else 0
        total = have + length if length else expected
        with open(part, "ab" if have else "wb") as out:
            done = have
            progress(done, total)
            while data := answer.read(_CHUNK):
                if cancelled():
                    raise Cancelled
                out.write(data)
                done += len(data)
                progress(done, total)
            out.flush()
            os.fsync(out.fileno())
        if length and done < total:
            raise ConnectionError(f"the download was interrupted after {human_size(done)}")


def checksum(path: Path, algorithm: str) -> str:
    """`md5` or `sha256` of a file, hex. Raises MissingFileError, UnreadableError."""
    with os.fdopen(open_regular(path), "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def reason_of(error: Exception) -> str:
    """Why a download failed, in a few words: `404 Not Found`, `Connection refused`."""
    if isinstance(error, urllib.error.HTTPError):
        return f"{error.code} {error.reason}"
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    return str(getattr(inner, "strerror", None) or inner) or type(inner).__name__
