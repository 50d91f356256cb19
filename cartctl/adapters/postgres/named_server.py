"""A user's server for rehearsals and drills: addressed only by its DSN, without libpq's environment."""

from collections.abc import Mapping

from cartctl.adapters.postgres.database import OwnPostgres
from cartctl.errors import ConfigError


class NamedServer(OwnPostgres):
    """A user's server, to which no variable, service or password file applies.

    With PGHOSTADDR set, as it is for the target in many shells, the DSN would otherwise lead to the target. TLS is used
    where the server offers it, unless the DSN says otherwise. Raises ConfigError for an incomplete DSN.
    """

    def __init__(self, dsn: str, data: None = None, *, role: str | None = None) -> None:
        super().__init__(dsn, data, role=role)
        places = {"host": self._parts.get("host") or self._parts.get("hostaddr"), **_named(self._parts)}
        if missing := [name for name, value in places.items() if not value]:
            raise ConfigError(
                f"The DSN for --server (or CARTCTL_SCRATCH_DSN) lacks: {', '.join(missing)}.",
                hint="Write host=… dbname=… user=… and the password: for this server, PG* variables, service files and .pgpass are ignored.",
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
