"""Settings that other people's servers have, each with a value that would change what cartctl reads or how long it may take."""

from collections.abc import Mapping

from psycopg import sql

from cartctl.adapters.postgres import Postgres

ODD = {
    "DateStyle": "German, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Asia/Kathmandu",
    "client_encoding": "LATIN1",
    "quote_all_identifiers": "on",
    "bytea_output": "escape",
    "extra_float_digits": "-15",
    "standard_conforming_strings": "off",
    "xmloption": "document",
    "search_path": "nowhere",
    "client_min_messages": "error",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "statement_timeout": "2s",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "2s",
    "idle_session_timeout": "2s",
    "transaction_timeout": "2s",
    "synchronous_commit": "off",
}


def odd_for(major: int) -> dict[str, str]:
    """Those that a server of this major version knows."""
    return {name: value for name, value in ODD.items() if major >= 17 or name != "transaction_timeout"}


def alter_database(database: Postgres, settings: Mapping[str, str]) -> None:
    """Make them the defaults of a database."""
    _alter(database, sql.SQL("ALTER DATABASE {}").format(sql.Identifier(database.name)), settings)


def alter_role(database: Postgres, role: str, settings: Mapping[str, str]) -> None:
    """Make them the defaults of a role."""
    _alter(database, sql.SQL("ALTER ROLE {}").format(sql.Identifier(role)), settings)


def as_pgoptions(settings: Mapping[str, str]) -> str:
    """Them as PGOPTIONS, which people use for psql."""
    return " ".join(f"-c {name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items())


def _alter(database: Postgres, whose: sql.Composed, settings: Mapping[str, str]) -> None:
    with database.session("tests") as connection:
        for name, value in settings.items():
            setting = sql.SQL(" SET {} = {}").format(sql.Identifier(name.lower()), sql.Literal(value))
            connection.execute(whose + setting)
