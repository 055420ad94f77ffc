"""What a media server pushes when something happens there."""

import json
import urllib.request
from typing import Any

WEBHOOK = "/api/webhooks/plex"
BOUNDARY = "------------------------6f0c1d2e3b4a5968"


def form(event: str = "library.new", *, picture: bytes = b"") -> dict[str, Any]:
    """The body that a media server sends with this event, and its content type."""
    payload = {"event": event, "user": True, "owner": True, "Server": {"uuid": "0"}, "Metadata": {"title": "Alpha"}}
    body = part('name="payload"', "application/json", json.dumps(payload).encode())
    if picture:
        body += part('name="thumb"; filename="thumb.jpg"', "image/jpeg", picture)
    return {
        "data": body + f"--{BOUNDARY}--\r\n".encode(),
        "content_type": f"multipart/form-data; boundary={BOUNDARY}",
    }


def part(name: str, kind: str, content: bytes) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\nContent-Type: {kind}\r\n\r\n"
    return head.encode() + content + b"\r\n"


def push(address: str, event: str = "library.new", *, picture: bytes = b"") -> int:
    """Send the form to a running service; return the status."""
    sent = form(event, picture=picture)
    prepared = urllib.request.Request(
        f"{address}{WEBHOOK}", method="POST", data=sent["data"], headers={"Content-Type": sent["content_type"]}
    )
    with urllib.request.urlopen(prepared, timeout=60) as reply:
        return reply.status
