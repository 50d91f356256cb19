"""`migrate verify`: compares the database with the contract, and checks owners and rights where cartctl migrated it."""

from collections.abc import Iterator

from cartctl.adapters.postgres import Connection, Postgres
from cartctl.config.model.environment import Database
from cartctl.database.catalogue import Catalogue, read_catalogue
from cartctl.database.contract.contract_check import CatalogueObjects, Terms, judge
from cartctl.database.contract.definition import SCHEMA, required_enums, required_tables
from cartctl.database.contract.existing_objects import some_of
from cartctl.database.contract.index_check import MISSING
from cartctl.database.migrations.application.existing_parts import missing_parts
from cartctl.database.migrations.application.files import EXAMPLE, read_application
from cartctl.database.migrations.pending import strict_by
from cartctl.database.migrations.status import State, act_as_owner_if_allowed, read_state
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.migrations.frozen import MIGRATIONS

LEDGER, LEDGER_EXPECTED = "ledger", "a name in Prisma's ledger only if the application's own file ran"
RIGHTS = ("SELECT", "INSERT", "UPDATE", "DELETE")


def verify(postgres: Postgres, settings: Database, *, exact: bool = False) -> Checks:
    """Check the contract: the required part, or all of it for a database that we migrated. Read-only.

    With `exact` any difference from cartctl's own schema fails, whichever tool migrated.
    """
    with postgres.session("verify") as connection, act_as_owner_if_allowed(connection, settings):
        return verify_with(connection, read_catalogue(connection), settings, exact=exact)


def verify_with(
    connection: Connection,
    catalogue: Catalogue,
    settings: Database,
    *,
    state: State | None = None,
    exact: bool = False,
) -> Checks:
    """As `verify`, on an open connection with the catalogue, and maybe the state, just read."""
    state = state or read_state(connection)
    migrated = bool(state.heads) and not state.adopted
    own = migrated or exact
    strict = state.strict if migrated else exact and strict_by(settings, state.ledger)
    objects = list(judge(catalogue, Terms(own=own, strict=strict, exact=exact)))
    results = [_record(state, objects), *objects]
    results += _names_in_ledger(connection, state, settings)
    if own:
        results += _owners(catalogue, settings.owner_role)
    if settings.app_role:
        results += _rights(connection, settings.app_role)
    return Checks.of(results)


def _record(state: State, objects: list[CheckResult]) -> CheckResult:
    """Our own record, where there is one; a complete database that another tool migrated has none and needs none."""
    expected = [MIGRATIONS[-1].revision]
    if not state.pending and not state.unknown:
        return CheckResult("migrations", Verdict.PASS, list(state.heads), expected)
    if not state.heads and not any(each.verdict is Verdict.FAIL for each in objects):
        observed = "not recorded by cartctl: only required objects are checked"
        return CheckResult("migrations", Verdict.PASS, observed)
    if state.unknown:
        return CheckResult("migrations", Verdict.FAIL, list(state.heads), expected)
    hint = "cartctl migrate adopt" if state.ledger.has(state.pending[0].name) else "cartctl migrate deploy"
    observed = f"pending: {', '.join(each.name for each in state.pending)}"
    return CheckResult("migrations", Verdict.FAIL, observed, expected, hint)


def _names_in_ledger(connection: Connection, state: State, settings: Database) -> Iterator[CheckResult]:
    """No name in Prisma's ledger without its file having run: earlier versions recorded it for cartctl's own SQL."""
    ours = [each for each in MIGRATIONS if state.records.get(each.revision) is False]
    recorded = [each for each in ours if state.ledger.has(each.name)]
    if not recorded:
        return
    application = read_application(settings.migrations, ledger=True)
    if not application.configured:
        names = ", ".join(each.name for each in recorded)
        hint = f"Set [env.NAME.database] {EXAMPLE}, then verify again."
        message = f"cartctl's own SQL ran for {names}; whether the application's files do more is unknown"
        yield CheckResult(LEDGER, Verdict.WARN, message, LEDGER_EXPECTED, hint)
        return
    wrong = [each.name for each in recorded if not application.same_as_ours(each)]
    if not wrong:
        yield CheckResult(LEDGER, Verdict.PASS, LEDGER_EXPECTED)
        return
    missing = [part for name in wrong for part in missing_parts(connection, application.files.get(name, b""))]
    message = f"recorded as applied, but cartctl's own SQL ran instead: {', '.join(wrong)}"
    message += f"; missing from the application's files: {some_of(missing)}" if missing else ""
    hint = (
        "Execute what the application's files do beyond cartctl's (cartctl migrate export --format prisma DIR, then "
        "compare), or roll back with cartctl rollback --database and deploy again."
    )
    yield CheckResult(LEDGER, Verdict.FAIL, message, LEDGER_EXPECTED, hint)


def _owners(catalogue: Catalogue, role: str | None) -> Iterator[CheckResult]:
    """One owner for all, the configured one where one is."""
    objects = CatalogueObjects(catalogue)
    owned = {
        f"table {table.name}": objects.tables.get(f"{SCHEMA}.{table.name}") for table in required_tables()
    }
    owned |= {f"enum {name}": objects.enums.get(f"{SCHEMA}.{name}") for name in required_enums()}
    owners = {name: facts["owner"] for name, facts in owned.items() if facts is not None}
    required = role or next(iter(owners.values()), MISSING)
    strange = {name: owner for name, owner in owners.items() if owner != required}
    if strange:
        summary = ", ".join(f"{name}: {owner}" for name, owner in sorted(strange.items()))
        yield CheckResult("owner", Verdict.FAIL, summary, required, hint=f"ALTER … OWNER TO {required}")
    else:
        yield CheckResult("owner", Verdict.PASS if owners else Verdict.FAIL, required)


def _rights(connection: Connection, role: str) -> Iterator[CheckResult]:
    """What the application's role may do, inherited rights included; a right that cannot be read counts as missing."""
    name = f"rights of {role}"
    if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
        yield CheckResult(
            name, Verdict.FAIL, "no such role", "an existing role", hint="See database.app_role."
        )
        return
    rows = connection.execute(
        """SELECT t || ' ' || p FROM unnest(%(tables)s::text[]) AS t, unnest(%(rights)s::text[]) AS p
           WHERE NOT coalesce(has_table_privilege(%(role)s, to_regclass('public.' || t), p), false)
           UNION ALL
           SELECT e || ' USAGE' FROM unnest(%(enums)s::text[]) AS e
           WHERE NOT coalesce(has_type_privilege(%(role)s, to_regtype(format('public.%%I', e)), 'USAGE'), false)
           UNION ALL
           SELECT 'schema public USAGE' WHERE NOT has_schema_privilege(%(role)s, 'public', 'USAGE')""",
        {
            "role": role,
            "tables": [table.name for table in required_tables()],
            "rights": list(RIGHTS),
            "enums": list(required_enums()),
        },
    ).fetchall()
    lacking = [str(row[0]) for row in rows]
    required = f"{', '.join(RIGHTS)} on every table, USAGE on every enum"
    verdict = Verdict.FAIL if lacking else Verdict.PASS
    yield CheckResult(
        name,
        verdict,
        f"lacks {', '.join(lacking)}" if lacking else required,
        required,
        hint=f"GRANT … TO {role}",
    )
