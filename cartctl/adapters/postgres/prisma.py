"""The parameters that Prisma adds to connection URLs: those without effect here, and those that are refused by name."""

from urllib.parse import unquote

from cartctl.errors import ConfigError

SCHEMA = "public"
_IGNORED = {  # they shape Prisma's pool and its queries
    "connection_limit",
    "pool_timeout",
    "socket_timeout",
    "statement_cache_size",
    "max_connection_lifetime",
    "max_idle_connection_lifetime",
}
_OWN = {*_IGNORED, "schema", "pgbouncer", "sslaccept", "sslidentity"}


def without_prisma(query: str) -> list[tuple[str, str]]:
    """The parameters of a URL's query that libpq reads, still %-escaped. Pure.

    Raises ConfigError, naming the parameter, where leaving it out would connect to something else than Prisma does.
    """
    pairs = [(key, value) for key, _, value in (each.partition("=") for each in query.split("&") if each)]
    prisma = any(key in _OWN for key, _ in pairs)
    for key, value in pairs:
        if refusal := _refusal(key, unquote(value), prisma=prisma):
            raise ConfigError(refusal[0], hint=refusal[1])
    return [(key, value) for key, value in pairs if key not in _OWN]


def _refusal(key: str, value: str, *, prisma: bool) -> tuple[str, str] | None:
    """What is wrong with a parameter, and what to do instead; None if it can be ignored or is libpq's."""
    match key:
        case "schema" if value != SCHEMA:
            return (
                f"The database's DSN contains the schema {value!r}: cartctl works only in schema {SCHEMA}.",
                f"Use the DSN of a database whose tables are in {SCHEMA}, or remove the schema parameter.",
            )
        case "pgbouncer" if value.lower() != "false":
            return (
                f"The database's DSN has pgbouncer={value}: session locks and settings are lost behind a connection pooler.",
                "Use the server's own address, without pgbouncer (Prisma's directUrl).",
            )
        case "sslaccept" if value != "accept_invalid_certs":
            return (
                f"The database's DSN has sslaccept={value}, which only Prisma supports.",
                "Write sslmode=verify-full, with sslrootcert=FILE for your own certificate authority.",
            )
        case "sslidentity":
            return (
                "The database's DSN has sslidentity, a PKCS #12 file that only Prisma supports.",
                "Write sslcert=FILE and sslkey=FILE.",
            )
        case "sslcert" if prisma:
            return (
                "The database's DSN has sslcert: Prisma takes it as the server's certificate, libpq as the client's.",
                "Write sslrootcert=FILE, with sslmode=verify-full.",
            )
    return None
