"""A server that a user names for rehearsals and drills: addressed by its DSN alone, with nothing of libpq's surroundings."""

from collections.abc import Mapping

from cartctl.adapters.postgres.database import OwnPostgres
from cartctl.errors import ConfigError


class NamedServer(OwnPostgres):
    """A server of another's, of which no variable, service or password file says anything.

    With PGHOSTADDR set, as it is for the target in many shells, the DSN would otherwise lead to the target. TLS is used
    where the server offers it, unless the DSN says otherwise. Raises ConfigError for a DSN that leaves a part to libpq.
    """

    def __init__(self, dsn: str, data: None = None, *, role: str | None = None) -> None:
        super().__init__(dsn, data, role=role)
        places = {"host": self._parts.get("host") or self._parts.get("hostaddr"), **_named(self._parts)}
        if missing := [name for name, value in places.items() if not value]:
            raise ConfigError(
                f"The DSN for --server (or CARTCTL_SCRATCH_DSN) does not name: {', '.join(missing)}.",
                hint="Write host=… dbname=… user=… and the password in it: for this server PG* variables, service files "
                "and .pgpass are ignored.",
            )

    def _parameters(self) -> Mapping[str, str]:
        return {**super()._parameters(), **self._security()}

    def _tool_parameters(self) -> dict[str, str]:
        return {**super()._tool_parameters(), "sslmode": self._security()["sslmode"]}

    def _security(self) -> dict[str, str]:
        certificate = "allow" if "sslcert" in self._parts else "disable"
        return {
            "sslmode": self._parts.get("sslmode", "prefer"),
            "sslcertmode": self._parts.get("sslcertmode", certificate),
        }


def _named(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: parts.get(name, "") for name in ("dbname", "user")}
