"""Text replies are compressed with gzip, if the client accepts it. Each encoding has its own ETag."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from flask import Response, request

SMALLEST: Final = 1500
"""A shorter body is sent as it is, because it fits into one packet."""
SUFFIX: Final = "-gzip"
"""What the ETag of a compressed reply ends with."""
_LEVEL: Final = 6
_TEXTS: Final = ("application/json", "application/xml", "application/yaml", "application/javascript")


def gzip_accepted() -> bool:
    """Return whether the client of this request accepts gzip."""
    return request.accept_encodings["gzip"] > 0 if request.accept_encodings else False


def compress(body: bytes) -> bytes:
    """Return the body compressed. The same body always gives the same bytes."""
    return gzip.compress(body, _LEVEL, mtime=0)


def encode(response: Response) -> None:
    """Compress the reply if it is a text, or turn it into 304 if the client has it already."""
    if response.status_code != 200 or not _is_text(response.mimetype or ""):
        if response.status_code == 304:
            response.vary.add("Accept-Encoding")
        return
    response.vary.add("Accept-Encoding")
    packed = "Content-Encoding" in response.headers
    packs = not packed and gzip_accepted() and (response.is_streamed or _length(response) > SMALLEST)
    etag, weak = response.get_etag()
    if etag and packs:
        response.set_etag(f"{etag}{SUFFIX}", weak=bool(weak))
    if etag:
        response.make_conditional(request)
    if packs and response.status_code == 200:
        _pack(response)


def _is_text(mimetype: str | None) -> bool:
    mimetype = mimetype or ""
    return mimetype.startswith("text/") or mimetype in _TEXTS or mimetype.endswith(("+json", "+xml"))


def _length(response: Response) -> int:
    return response.content_length or len(response.get_data())


def _pack(response: Response) -> None:
    response.headers["Content-Encoding"] = "gzip"
    if response.is_streamed and not response.direct_passthrough:
        response.headers.pop("Content-Length", None)
        response.response = _pack_chunks(response.iter_encoded())
        return
    response.direct_passthrough = False
    response.set_data(compress(response.get_data()))


def _pack_chunks(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)  # 16: in the form of gzip
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()
