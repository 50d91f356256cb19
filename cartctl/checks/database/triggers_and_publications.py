"""Foreign event triggers and publications that react to the migrations' statements."""

import re
from collections.abc import Iterator

from cartctl.adapters.postgres import Connection
from cartctl.checks.database.database_check import creator
from cartctl.checks.results import failed, passed, warned
from cartctl.config.model.environment import Database
from cartctl.engine.model import CheckResult, Verdict

TAGS = [  # of the statements that the migrations and the drop execute
    *("CREATE TABLE", "CREATE TYPE", "CREATE INDEX", "ALTER TABLE", "CREATE SCHEMA", "GRANT"),
    *("DROP TABLE", "DROP TYPE", "DROP INDEX", "DROP SCHEMA"),
]
_OWNER = re.compile(r"""owner\s+to\s+(?:"([^"]+)"|([a-z_][a-z0-9_$]*))""", re.IGNORECASE)
_ANY_OWNER = re.compile(r"owner\s+to|reassign\s+owned", re.IGNORECASE)
_RAISE = re.compile(r"raise\s+(exception|[a-z_]+\s*;|sqlstate|'|using)", re.IGNORECASE)
_CONDITION = re.compile(r"\b(if|case|when|loop|exists)\b", re.IGNORECASE)
_WORDS = re.compile(r"raise\s+(?:exception\s+)?'([^']{1,200})'", re.IGNORECASE)
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)

_TRIGGERS = """
SELECT e.evtname, e.evtevent, format('%%I.%%I', n.nspname, p.proname), p.prosrc, l.lanname
FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_language l ON l.oid = p.prolang
WHERE e.evtenabled IN ('O', 'A') AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop')
  AND (e.evttags IS NULL OR e.evttags && %(tags)s::text[])
ORDER BY 1
"""
_ALL_TABLES = "SELECT pubname FROM pg_publication WHERE puballtables ORDER BY 1"
_WITH_SCHEMA = """
SELECT p.pubname FROM pg_publication p
WHERE p.puballtables OR EXISTS (SELECT FROM pg_publication_namespace n
                                WHERE n.pnpubid = p.oid AND n.pnnspid = 'public'::regnamespace)
ORDER BY 1
"""
SCHEMA_PUBLICATIONS = 150000  # server_version_num


def check_event_triggers(connection: Connection, settings: Database) -> Iterator[CheckResult]:
    """Functions that run with the DDL. What their text certainly does fails; what it may do is a warning."""
    owner = creator(connection, settings)
    rows = connection.execute(_TRIGGERS.encode(), {"tags": TAGS}).fetchall()
    for trigger, event, function, source, language in rows:
        name = f"database.event_triggers.{trigger}"
        yield _trigger_result(
            name, f"{function} on {event}", _COMMENT.sub("", source), language, owner, trigger
        )
    if not rows:
        yield passed("database.event_triggers", "none react to the migrations")


def _trigger_result(
    name: str, what: str, source: str, language: str, owner: str, trigger: str
) -> CheckResult:
    hint = f"Check what it does, or disable it during the migration: ALTER EVENT TRIGGER {trigger} DISABLE"
    expected = f"{owner} remains the owner, and statements are not refused"
    if language not in {"plpgsql", "sql"}:
        return warned(name, f"{what}: its source cannot be read", expected, hint)
    if _ANY_OWNER.search(source):
        owners = {quoted or bare.lower() for quoted, bare in _OWNER.findall(source)}
        if owners == {owner}:
            return passed(name, f"{what}: changes the owner to {owner}")
        to = f" to {', '.join(sorted(owners))}" if owners else ""
        return failed(name, f"{what}: changes the owner of new objects{to}", expected, hint)
    if _RAISE.search(source):
        if _CONDITION.search(source):
            return warned(
                name, f"{what}: may refuse statements", expected, f"{hint}. Or test it: cartctl rehearse"
            )
        own = _WORDS.search(source)
        message = f": {own[1]}" if own else ""
        return failed(name, f"{what}: refuses every statement{message}", expected, hint)
    return CheckResult(name, Verdict.WARN, f"{what}: runs with the migrations", expected, hint)


def check_publications(connection: Connection, _: Database) -> Iterator[CheckResult]:
    """New tables are published by themselves; a subscriber that lacks them stops at the first row."""
    newer = connection.info.server_version >= SCHEMA_PUBLICATIONS
    query = _WITH_SCHEMA if newer else _ALL_TABLES
    names = [str(row[0]) for row in connection.execute(query.encode()).fetchall()]
    if names:
        observed = f"{', '.join(names)} will publish the cart's tables"
        hint = "Create the tables on the subscribers first (cartctl migrate export): replication stops at a missing table."
        yield warned("database.publications", observed, "no publication of all tables", hint)
