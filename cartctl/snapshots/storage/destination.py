"""Where an environment's snapshots are stored, and whether they may be unencrypted there."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from cartctl.config.load import environment_directory
from cartctl.config.model.environment import Environment
from cartctl.errors import ConfigError, Refused
from cartctl.snapshots.storage.encryption import open_cipher
from cartctl.snapshots.storage.local import Store


def open_store(environment: Environment) -> Store:
    """The store of an environment: `database.snapshots.url`, else a directory of this machine's state.

    Other addresses are handled by fsspec. Raises ConfigError for an unsupported one.
    """
    settings, here = environment.database.snapshots, environment_directory(environment)
    cipher = open_cipher(settings.encrypt)
    if settings.url is None:
        return Store(here / "snapshots", cipher)
    url = settings.url.reveal()
    parts = urlsplit(url)
    if parts.scheme not in {"", "file"}:
        from cartctl.adapters.object_store import ObjectStore
        from cartctl.snapshots.storage.remote import RemoteStore

        return RemoteStore(here / "staged", cipher, objects=ObjectStore(url))
    if parts.netloc not in {"", "localhost"}:
        raise ConfigError(
            f"A file:// address cannot contain a host: {parts.hostname}.",
            hint="Set database.snapshots.url to a path, or use another kind of address.",
        )
    return Store(Path(unquote(parts.path)).expanduser().absolute(), cipher)


def refuse_plain(environment: Environment) -> None:
    """Raise Refused if unencrypted dumps are not allowed: in a protected environment."""
    settings = environment.database.snapshots
    if environment.protected and settings.encrypt is None and not settings.elsewhere:
        raise Refused(
            f"The environment {environment.name} is protected, and a snapshot would not be encrypted.",
            hint="Set database.snapshots.encrypt to { age = RECIPIENTS } or { gpg = RECIPIENT }.",
        )
