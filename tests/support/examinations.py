"""What the doctor tells, and servers of every kind to take Plex's place before it."""

import re
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.household import API_KEY, PASSPHRASE, Household
from tests.support.processes import NO_SETTINGS, environment, free_port, program
from wishlist_service.doctor.errors import Error

PASSWORD = "marked-password"
SECRETS = (API_KEY, PASSPHRASE, PASSWORD, "token-of-")


def settings_for(household: Household, **more: str) -> dict[str, str]:
    return environment(household.config.database_url, household.plex.url, PORT=str(free_port()), **more)


def at(url: str) -> dict[str, str]:
    return {"PLEX_DISCOVER_URL": url, "PLEX_TV_URL": url}


def examine(env: dict[str, str], cwd: Path = NO_SETTINGS) -> tuple[int, str]:
    """Exit status and output, with the line breaks of the layout taken out."""
    with program("-m", "wishlist_service.doctor", env=env, cwd=cwd) as command:
        status = command.exit_status()
    assert "Traceback" not in command.output
    assert [secret for secret in SECRETS if secret in command.output] == []
    return status, re.sub(r"\n {19,}", " ", command.output)


def marks(output: str) -> list[tuple[str, ...]]:
    """The first two words of each line of the report."""
    return [tuple(line.split()[:2]) for line in re.findall(r"^(?:ok|note|skip|warn|ERROR) .*", output, re.M)]


def assert_only_error(result: tuple[int, str], error: Error, text: str, *, lines: int = 1) -> None:
    """Only this error was found, with this in its sentence, and its fix stands under it."""
    status, output = result
    found = re.findall(r"^ERROR .*", output, re.M)
    assert status == 1
    assert len(found) == lines, output
    assert text in found[0]
    assert f'→ {error.fix} (docs/troubleshooting.md, "{error.heading}")' in found[-1]
    assert output.count("docs/troubleshooting.md") == 1


@contextmanager
def answering(
    status: int = 401, kind: str = "application/json", *, clock: float = 0, certificate: Path | None = None
) -> Iterator[str]:
    """A server that gives every request this answer, its clock so many seconds ahead; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()

        def date_time_string(self, _timestamp: float | None = None) -> str:
            return formatdate(time.time() + clock, usegmt=True)

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def get_request(self) -> Any:
            connection, address = super().get_request()
            if certificate is None:
                return connection, address
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            return context.wrap_socket(connection, server_side=True), address

        def handle_error(self, _request: Any, _client_address: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
        server.shutdown()


def certificate_for(name: str, directory: Path) -> Path:
    """A file with a new key and a certificate for this address that nobody but itself vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = directory / "certificate.pem"
    path.write_bytes(private + certificate.public_bytes(pem))
    return path
