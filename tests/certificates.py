"""A certificate authority of the tests' own, a server's and a client's certificate, made by openssl."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.services import require


@dataclass(frozen=True)
class Certificates:
    """PEM files; the client's key is encrypted with `password`."""

    ca: Path
    server: Path
    server_key: Path
    client: Path
    client_key: Path
    password: str = "key pass"


def make_certificates(folder: Path) -> Certificates:
    """Make them in a folder."""
    made = Certificates(
        folder / "ca.pem", folder / "s.pem", folder / "s.key", folder / "c.pem", folder / "c.key"
    )
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"
             , "-keyout", folder / "ca.key", "-out", made.ca)  # fmt: skip
    for name, certificate, key in (
        ("localhost", made.server, made.server_key),
        ("cartctl", made.client, made.client_key),
    ):
        secret = ("-passout", f"pass:{made.password}") if name == "cartctl" else ("-nodes",)
        request = folder / f"{name}.csr"
        _openssl(
            "req", "-newkey", "rsa:2048", *secret, "-subj", f"/CN={name}", "-keyout", key, "-out", request
        )
        (folder / "names").write_text(f"subjectAltName=DNS:{name},IP:127.0.0.1\n")
        _openssl("x509", "-req", "-in", request, "-CA", made.ca, "-CAkey", folder / "ca.key", "-days", "2"
                 , "-CAcreateserial", "-extfile", folder / "names", "-out", certificate)  # fmt: skip
    return made


def _openssl(*arguments: str | Path) -> None:
    subprocess.run([require("openssl"), *arguments], check=True, capture_output=True)
