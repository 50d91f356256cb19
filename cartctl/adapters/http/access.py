"""How a client identifies itself to an HTTP server, and how it verifies that server."""

import base64
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cartctl.errors import ConfigError
from cartctl.redaction import register

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, token


@dataclass(frozen=True, slots=True)
class Access:
    """A bearer `token`, or `user` and `password` (basic); `headers` for every request; TLS.

    `ca` is a PEM file that replaces the system's authorities, `certificate` and `key` are the client's (the key may be in the
    certificate's file). Secrets become known to the filter of all output. Raises ConfigError for what no header can hold.
    """

    token: str | None = None
    user: str | None = None
    password: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    verify: bool = True
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: str | None = None

    def __post_init__(self) -> None:
        for secret in (self.token, self.password, self.key_password, self._basic):
            if secret and secret.strip():
                register(secret.strip())
        for name, value in self.header_fields().items():
            if not _NAME.fullmatch(name):
                raise ConfigError(f"invalid name of an HTTP header: {name!r}.")
            if not (value.isascii() and value.isprintable()):
                what = "The token" if name == "Authorization" else f"The value of the header {name}"
                raise ConfigError(
                    f"{what} contains characters that are invalid in an HTTP header.",
                    hint="Check the file or variable it comes from.",
                )

    def header_fields(self) -> dict[str, str]:
        """The headers of every request."""
        if self.token and self.token.strip():
            return {"Authorization": f"Bearer {self.token.strip()}", **self.headers}
        return {**({"Authorization": f"Basic {self._basic}"} if self._basic else {}), **self.headers}

    @property
    def authorizes(self) -> bool:
        """Whether it occupies the header that credentials in an address need as well."""
        return any(name.lower() == "authorization" for name in self.header_fields())

    @property
    def _basic(self) -> str:
        if self.user is None:
            return ""
        return base64.b64encode(f"{self.user}:{self.password or ''}".encode()).decode()

    def tls(self, system: Callable[[bool], ssl.SSLContext]) -> ssl.SSLContext:
        """The TLS settings, from `system(verify)`, the client library's own. Raises ConfigError for an unusable file."""
        context = system(self.verify)
        if self.verify and self.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._load("CA certificates", self.ca, lambda: context.load_verify_locations(cafile=self.ca))
        if (certificate := self.certificate) is not None:
            # Without a password, OpenSSL would prompt for one on the terminal.
            password = self.key_password or ""
            load = (
                (lambda: context.load_cert_chain(certificate, self.key, lambda: password))
                if self.key
                else (lambda: context.load_cert_chain(certificate, password=lambda: password))
            )
            self._load("client's certificate", certificate, load)
        return context

    @staticmethod
    def _load(what: str, path: Path, load: Callable[[], None]) -> None:
        try:
            load()
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
            raise ConfigError(
                f"The {what} in {path} cannot be used: {str(reason).lower().replace('_', ' ')}.",
                hint="Use an existing PEM file; a client certificate also requires its key, and an encrypted key its password.",
            ) from error
