"""The systems that are configured: reachable, permitted, and with clocks that agree with this machine's."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from cartctl.adapters.cluster import Cluster
from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres, translated
from cartctl.adapters.postgres_server.pg_tools import find_tools
from cartctl.checks.preflight.cluster import KnowsPermissions
from cartctl.checks.results import failed, passed, unknown, warned
from cartctl.engine.model import CheckResult

SKEW = 5.0  # seconds between two clocks that confuse nobody; an HTTP date has whole seconds
TOO_FAR = 60.0  # seconds from which times of samples, windows and leases are judged wrongly
PURPOSE = "doctor"
OLDEST = 140000  # server_version_num

_SERVER = """
SELECT current_setting('server_version'), current_user,
       has_database_privilege(current_database(), 'CREATE')
         OR coalesce((SELECT has_table_privilege(c.oid, 'INSERT') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                      WHERE n.nspname = 'cartctl_journal' AND c.relname = 'event'), false),
       has_schema_privilege(coalesce(%(role)s, current_user), 'public', 'CREATE'), current_database()
"""


def check_database(
    name: str, postgres: Postgres, owner: str | None, *, journal: bool, migrates: bool
) -> Iterator[CheckResult]:
    """A connection, the server's version, and permissions: for the `journal`, and to create tables where it `migrates`.

    Read-only. Raises DatabaseUnreachable.
    """
    began = datetime.now(UTC)
    with postgres.session(PURPOSE) as connection, translated():
        row = connection.execute(_SERVER, {"role": owner}).fetchone()
        number = connection.info.server_version
    version, user, writes, create, database = row or ("", "", False, False, "")
    took = (datetime.now(UTC) - began).total_seconds() * 1000
    if number < OLDEST:
        yield failed(f"{name}.version", version, "14 or newer", "Upgrade the server before deploying.")
    else:
        yield passed(f"{name}.version", f"PostgreSQL {version} at {postgres.masked}, {took:.0f} ms")
    hint = f"Run runbooks/postgres/roles.sql for role {user}."
    if journal and writes:
        yield passed(f"{name}.journal", f"role {user} may write the journal")
    elif journal:
        yield failed(f"{name}.journal", f"role {user} may not", f"CREATE on database {database}", hint)
    if migrates and create:
        yield passed(f"{name}.create", f"role {owner or user} may create tables")
    elif migrates:
        yield failed(f"{name}.create", f"role {owner or user} may not", "CREATE on schema public", hint)


def check_tools(postgres: Postgres) -> Iterator[CheckResult]:
    """`pg_dump` and `pg_restore` of the server's major version. Raises ConfigError for missing ones. Read-only."""
    with postgres.session(PURPOSE) as connection:
        tools = find_tools(connection.info.server_version)
    yield passed("tools", f"pg_dump {tools.version} in {tools.bin}")


def check_cluster(cluster: Cluster) -> Iterator[CheckResult]:
    """Reachable, and each verb of the plan permitted. Read-only. Raises ClusterUnreachable."""
    yield passed("cluster.reachable", f"{len(cluster.deployments())} deployments")
    if isinstance(cluster, KnowsPermissions):
        denied = cluster.denied()
        hint = "Apply the Role in runbooks/kubernetes."
        yield (
            failed("cluster.permissions", ", ".join(denied), "none missing", hint)
            if denied
            else passed("cluster.permissions", "every verb of the plan")
        )


def database_time(postgres: Postgres) -> datetime:
    """The database server's clock."""
    with postgres.session(PURPOSE) as connection, translated():
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    return row[0] if row else datetime.now(UTC)


def api_time(api: Http) -> datetime | None:
    """The API's clock, from the header Date of its health response; None without one."""
    header = api.get("/health").headers.get("date", "")
    try:
        time = parsedate_to_datetime(header)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def check_clock(name: str, read: Callable[[], datetime | None]) -> Iterator[CheckResult]:
    """Whether another clock agrees with this machine's, the time of the request taken into account. Read-only."""
    before = datetime.now(UTC)
    theirs = read()
    after = datetime.now(UTC)
    if theirs is None:
        yield unknown(
            name, "no time in the response", "a Date header", "Compare the clocks manually: date -u"
        )
        return
    late = max((theirs - after).total_seconds(), (before - theirs).total_seconds(), 0.0)
    expected, hint = f"at most {SKEW:g} s", "Synchronise both clocks: timedatectl, chronyc tracking"
    if late > TOO_FAR:
        yield failed(name, f"{late:.0f} s apart", expected, hint)
    elif late > SKEW:
        yield warned(name, f"{late:.1f} s apart", expected, hint)
    else:
        yield passed(name, "agrees with this machine")
