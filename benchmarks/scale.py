"""Ten million carts: queries, jobs beside shoppers, what an index costs writers. `python benchmarks/scale.py DIRECTORY PART`.

PART is `seed [CARTS [COMPANIES]]`, `indexes`, `queries [WORD]`, `jobs WORKERS SECONDS [JOB...]` or `cost INDEX...`. DIRECTORY is
kept between the parts, with its server running; `stop` stops it, then delete it. Every figure comes with the machine's load. A query's time is the server's own
(`EXPLAIN (ANALYZE, BUFFERS, TIMING OFF)`, execution time, 50 times on a warm cache); the client's clock stands beside it.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from sqlalchemy import Connection, Engine, event, text

from cartctl.adapters.postgres import Postgres
from cartctl.adapters.postgres_server.embedded import EmbeddedPostgres
from cartctl.cart import CartError, CartService, connect
from cartctl.cart.analytics import Period
from cartctl.cart.enums import CartStatus
from cartctl.cart.lifecycle.states import ABANDON_AFTER
from cartctl.cart.store import cart_statistics, jobs
from cartctl.cart.store.batches import CLEANUP, JobHooks, JobOptions, JobTask, expiry, recovery, run_job
from cartctl.cart.store.recovery.candidates import EMAIL_INDEX, conditions
from cartctl.cart.store.recovery.claims import first_due, waiting_since
from cartctl.cart.store.repositories import CartFilter, Carts, PageKey
from cartctl.cart.store.sql_engine import over
from cartctl.config.model.environment import Database
from cartctl.config.values import Secret
from cartctl.database.contract.scale_indexes import SCALE_INDEXES
from cartctl.database.migrations.apply import deploy
from cartctl.engine.pulse import Pulse
from cartctl.render.progress import progress_lines
from cartctl.sandbox.data.database import start
from cartctl.sandbox.data.fill import fill
from cartctl.sandbox.layout import Layout
from cartctl.sandbox.names import APP, DATABASE, DEPLOYER, OWNER

TIMES = 50
LIMIT = 100.0  # milliseconds
SETTINGS = {  # of a server with 16 GB
    "shared_buffers": "4GB",
    "effective_cache_size": "12GB",
    "max_wal_size": "6GB",
    "checkpoint_timeout": "20min",
    "random_page_cost": "1.1",
    "wal_compression": "off",
}
Query = Callable[[Connection], Any]


def largest(connection: Connection) -> tuple[str, datetime]:
    """The company with most carts, and when its data end."""
    company, until = connection.execute(
        text("SELECT 'avnz', max(\"createdAt\") FROM carts WHERE \"companyId\" = 'avnz'")
    ).one()
    return company, until.replace(tzinfo=UTC)


def queries(connection: Connection) -> dict[str, Query]:
    """The queries of schema.md, section 4, for the largest company."""
    company, now = largest(connection)
    period = Period(now - timedelta(days=30), now)
    first = Carts(connection, company).page(CartFilter())
    abandoned = Carts(connection, company).page(CartFilter(CartStatus.ABANDONED), size=100)
    deep = PageKey(now.replace(tzinfo=None) - timedelta(days=60), "")
    sites = connection.scalars(text("SELECT id FROM sites WHERE \"companyId\" = 'avnz' ORDER BY id")).all()
    mail = [company]
    mine = lambda c: Carts(c, company)  # noqa: E731
    return {
        "list": lambda c: mine(c).page(CartFilter()),
        "list, deep page": lambda c: mine(c).page(CartFilter(), deep),
        "list by status": lambda c: mine(c).page(CartFilter(CartStatus.ABANDONED)),
        "list by status, deep page": lambda c: mine(c).page(CartFilter(CartStatus.ABANDONED), deep),
        "list by customer": lambda c: mine(c).page(CartFilter(customer_id=f"{company}-shopper-00003")),
        **{
            f"list by site {n}": partial(lambda s, c: mine(c).page(CartFilter(site_id=s)), site)
            for n, site in enumerate(sites)
        },
        **{
            f"list by site {n}, deep page": partial(
                lambda s, c: mine(c).page(CartFilter(site_id=s), deep), site
            )
            for n, site in enumerate(sites)
        },
        "list by site and status": lambda c: mine(c).page(CartFilter(CartStatus.ACTIVE, site_id=sites[0])),
        "detail": lambda c: mine(c).detail(first[0]["id"]),
        "stats": lambda c: cart_statistics.stats(c, company),
        "overview, 30 days": lambda c: cart_statistics.overviews(c, company, period),
        "abandoned page with candidates": lambda c: mine(c).candidates(now, [row["id"] for row in abandoned]),
        "recovery candidates, 500": lambda c: c.execute(
            first_due(waiting_since(now, mail), conditions(now, mail, by_email_index=True), 500)
        ).all(),
        "recovery candidates, 500, all companies": lambda c: c.execute(
            first_due(waiting_since(now), conditions(now, by_email_index=True), 500)
        ).all(),
        "recovery candidates, 500, without the index of e-mails": lambda c: c.execute(
            first_due(waiting_since(now, mail), conditions(now, mail), 500)
        ).all(),
        "recovery candidates, 500, all, without it": lambda c: c.execute(
            first_due(waiting_since(now), conditions(now), 500)
        ).all(),
        "companies with candidates": lambda c: jobs.waiting_companies(c, now),
        "carts to expire, 500": lambda c: c.execute(
            jobs.due_to_expire(jobs.DUE, now + timedelta(days=3))
            .order_by(text('carts."expiresAt"'))
            .limit(500)
        ).all(),
        "abandoned carts to expire, 500": lambda c: c.execute(
            jobs.due_to_expire(jobs.LEFT, now + timedelta(days=3))
            .order_by(text('carts."expiresAt"'))
            .limit(500)
        ).all(),
        "carts to abandon, 500": lambda c: c.execute(
            jobs.due_to_abandon(now + timedelta(days=1)).order_by(text('carts."expiresAt"')).limit(500)
        ).all(),
        "carts to abandon, none due": lambda c: c.execute(
            jobs.due_to_abandon(now - timedelta(days=100)).order_by(text('carts."expiresAt"')).limit(500)
        ).all(),
        "sessions to end, 500": lambda c: c.execute(
            jobs.due_sessions(now).order_by(text('cross_site_sessions."expiresAt"')).limit(500)
        ).all(),
        "expire, a batch of 500 written": lambda c: jobs.expire_carts(c, now + timedelta(days=3)),
        "abandon, a batch of 500 written": lambda c: jobs.abandon_carts(c, now + timedelta(days=1)),
        "recovery, a batch of 500 claimed": lambda c: jobs.claim_recovery(c, now, companies=[company]),
        "recovery, a batch of 500 claimed, all": lambda c: jobs.claim_recovery(c, now),
        "cleanup, a batch of 500 written": lambda c: jobs.expire_sessions(c, now),
        "delete a product": lambda c: c.execute(text("DELETE FROM products WHERE id = 'unsold'")),
        "delete a customer": lambda c: c.execute(
            text(f"DELETE FROM customers WHERE id = '{company}-shopper-00500'")
        ),
        "delete a site": lambda c: c.execute(text("DELETE FROM sites WHERE id = 'unused'")),
    }


UNUSED = """INSERT INTO products (id, "companyId", name, category, price) VALUES ('unsold', 'avnz', 'U', 'k', 1) ON CONFLICT DO NOTHING;
INSERT INTO sites (id, "companyId", name, domain) VALUES ('unused', 'avnz', 'U', 'unused.example') ON CONFLICT DO NOTHING"""


@contextmanager
def recorded(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are executed meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_c: Any, _k: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


def explained(connection: Connection, statement: str, parameters: Any) -> dict[str, Any]:
    """The plan as it ran, with its execution time."""
    asked = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
    found = connection.exec_driver_sql(asked, parameters).scalar()
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]
    return plan


def once(connection: Connection, statements: list[tuple[str, Any]]) -> tuple[float, int]:
    """Milliseconds that the server took for all statements with triggers, and the pages it did not have in memory."""
    spent, read = 0.0, 0
    with connection.begin() as transaction:
        for statement, parameters in statements:
            plan = explained(connection, statement, parameters)
            spent += plan["Execution Time"] + plan.get("Planning Time", 0)
            read += plan["Plan"].get("Shared Read Blocks", 0)
        transaction.rollback()
    return spent, read


def measure(engine: Engine, only: str = "") -> bool:
    """Every query, the server's time and the client's; gives whether every p95 is below the limit."""
    fine = True
    with engine.connect() as connection:
        with connection.begin():
            connection.execute(text(UNUSED))
        with connection.begin():
            asked = queries(connection)
        for name, query in asked.items():
            if only not in name:
                continue
            with recorded(engine) as statements, connection.begin() as transaction:
                query(connection)
                transaction.rollback()
            times, clock, read = [], [], 0
            driver: Any = connection.connection.driver_connection
            backend = psutil.Process(driver.info.backend_pid)
            used = sum(backend.cpu_times()[:2])
            for number in range(TIMES + 2):
                spent, read = once(connection, statements)
                with connection.begin() as transaction:
                    began = time.perf_counter()
                    query(connection)
                    clock.append(1000 * (time.perf_counter() - began))
                    transaction.rollback()
                times.append(spent)
                if number < 2:  # warming up
                    times.clear()
                    clock.clear()
                elif len(times) > 5 and sum(times) > 60_000:
                    break
            processor = 500 * (sum(backend.cpu_times()[:2]) - used) / (number + 1)
            p95, wall = (statistics.quantiles(each, n=20)[-1] for each in (times, clock))
            fine &= p95 < LIMIT
            print(
                f"{name:42} server p50 {statistics.median(times):8.1f}  p95 {p95:8.1f}   client p50 {statistics.median(clock):8.1f}"
                f"  p95 {wall:8.1f} ms  processor time {processor:.0f} ms  n {len(times)} read {read} load {psutil.getloadavg()[0]:.1f}{'' if p95 < LIMIT else '   SLOW'}",
                flush=True,
            )
    return fine


class _Late(Exception):
    """The time is over."""


def work(directory: str, kind: str, now: datetime, seconds: float, result: Any) -> None:
    """One worker, in a process of its own, as `cartctl cart` runs the job; puts rows, seconds, processor time and how long batches held their rows."""
    engine = over(lambda: _postgres(Path(directory)).connect("worker", autocommit=False))
    done: dict[str, int] = {}
    held: list[float] = []
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        backend = psutil.Process(driver.info.backend_pid)
        used, began = sum(backend.cpu_times()[:2]), time.monotonic()

        @contextmanager
        def around(_outcome: str) -> Iterator[None]:
            started = time.monotonic()
            yield
            held.append(time.monotonic() - started)

        def after(rows: int, _outcome: str) -> None:
            done["rows"] = rows
            if time.monotonic() - began > seconds:
                raise _Late

        with suppress(_Late):
            run_job(connection, kind, JOBS[kind], JobOptions(now), JobHooks(around, after))
        spent = time.monotonic() - began
        processor = sum(backend.cpu_times()[:2]) - used
        result.put((done.get("rows", 0), spent, processor, held))
    engine.dispose()


JOBS: dict[str, tuple[JobTask, ...]] = {
    "abandon": expiry(ABANDON_AFTER)[1:],
    "expire": expiry(ABANDON_AFTER)[:1],
    "cleanup": CLEANUP,
    "recovery": recovery(lambda _claim: None),
}


def shop(
    directory: Path, carts: list[tuple[str, str, str]], stop: threading.Event, now: datetime
) -> list[float]:
    """Milliseconds of a shopper's changes of these carts, one after the other with a pause, until `stop`."""
    engine = connect(_postgres(directory).dsn, pool_size=1)
    services: dict[str, CartService] = {}
    spent, number = [], 0
    while not stop.wait(0.02):
        company, cart, line = carts[number % len(carts)]
        number += 1
        service = services.setdefault(company, CartService(engine, company, clock=lambda: now))
        began = time.perf_counter()
        with suppress(CartError):  # expired meanwhile: that is an answer, too
            service.change_quantity(cart, line, 1 + number % 3)
        spent.append(1000 * (time.perf_counter() - began))
    engine.dispose()
    return spent


def run_jobs(directory: Path, engine: Engine, kinds: list[str], workers: int, seconds: float) -> None:
    """Each job by so many workers beside one shopper, whose carts are those that the job works on."""
    from multiprocessing import get_context

    context = get_context("spawn")
    with engine.connect() as connection, connection.begin():
        _, until = largest(connection)
        carts = [tuple(row) for row in connection.execute(text(SHOPPED))]
    for kind in kinds:
        now = until + timedelta(days=DAYS_LATER[kind])
        for count in (0, 1, workers):
            stop, times, results = threading.Event(), [], context.Queue()
            shopper = threading.Thread(target=lambda: times.extend(shop(directory, carts, stop, until)))  # noqa: B023
            shopper.start()
            time.sleep(2)
            times.clear()
            under_way = len(times)
            running = [
                context.Process(target=work, args=(str(directory), kind, now, seconds, results))
                for _ in range(count)
            ]
            for process in running:
                process.start()
            if not running:
                time.sleep(seconds / 2)
            done = [results.get() for _ in running]
            for process in running:
                process.join()
            stop.set()
            shopper.join()
            figures = statistics.quantiles(times[under_way:], n=100) if len(times) > 2 else [0.0] * 99
            rows, cpu = sum(one[0] for one in done), sum(one[2] for one in done)
            clock = max((one[1] for one in done), default=1.0)
            held = [1000 * each for one in done for each in one[3]] or [0.0]
            held = statistics.quantiles(held, n=20) if len(held) > 1 else held * 19
            print(
                f"{kind:9} {count} workers: {rows:8} rows, {rows / clock:8.0f} rows/s, {rows / cpu if cpu else 0:8.0f} rows per second of the server's"
                f" processor time, batches {statistics.median(held):.0f} ms, p95 {held[-1]:.0f} ms; shopper p50 {figures[49]:.1f} p95 {figures[94]:.1f} p99 {figures[98]:.1f} ms"
                f" of {len(times)}; load {psutil.getloadavg()[0]:.1f}",
                flush=True,
            )


DAYS_LATER = {
    "abandon": 1,
    "expire": 8,
    "cleanup": 8,
    "recovery": 0,
}  # so that some hundred thousand rows are due
SHOPPED = """SELECT "companyId", carts.id, min(cart_items.id) FROM carts JOIN cart_items ON "cartId" = carts.id
WHERE carts.id IN (SELECT id FROM carts WHERE status = 'ACTIVE' AND "expiresAt" IS NOT NULL ORDER BY "expiresAt" LIMIT 4000) GROUP BY 1, 2 ORDER BY md5(carts.id) LIMIT 2000"""

WRITERS = {
    "a shopper's change": """UPDATE carts SET "grandTotal" = "grandTotal" + 1, subtotal = subtotal + 1, version = version + 1,
        "lastActivityAt" = "lastActivityAt" + interval '1 second', "expiresAt" = "expiresAt" + interval '1 second', "updatedAt" = now()
        WHERE id = ANY (%(active)s)""",
    "abandonment": """UPDATE carts SET status = 'ABANDONED', "abandonedAt" = now(), "updatedAt" = now() WHERE id = ANY (%(active)s)""",
    "conversion": """UPDATE carts SET status = 'CONVERTED', "convertedAt" = now(), "orderId" = 'bench-' || id, "updatedAt" = now() WHERE id = ANY (%(active)s)""",
    "a new cart": """INSERT INTO carts (id, "companyId", "siteId", "customerId", "visitorId", currency, "updatedAt", "expiresAt")
        SELECT 'bench-' || id, "companyId", "siteId", "customerId", "visitorId", currency, now(), now() FROM carts WHERE id = ANY (%(active)s)""",
}


def cost(engine: Engine, names: list[str]) -> None:
    """What indexes cost writers: the same statements with and without them, in turn, each rolled back."""
    with engine.connect() as connection:
        with connection.begin():
            active = list(
                connection.scalars(
                    text("SELECT id FROM carts WHERE status = 'ACTIVE' ORDER BY md5(id) LIMIT 2000")
                )
            )
        for writer, statement in WRITERS.items():
            spent: dict[bool, list[float]] = {True: [], False: []}
            for number in range(22):
                with connection.begin() as transaction:
                    if number % 2:
                        for name in names:
                            connection.exec_driver_sql(f'DROP INDEX "{name}"')
                    plan = explained(connection, statement, {"active": active})
                    if number > 1:
                        spent[number % 2 == 0].append(plan["Execution Time"] / len(active) * 1000)
                    transaction.rollback()
            own, bare = statistics.median(spent[True]), statistics.median(spent[False])
            print(
                f"{writer:20} {own:7.1f} us with {', '.join(names)}, {bare:7.1f} without: {own / bare:.2f} times; best {min(spent[True]):.1f} and {min(spent[False]):.1f}: {min(spent[True]) / min(spent[False]):.2f}; load {psutil.getloadavg()[0]:.1f}",
                flush=True,
            )


def _postgres(directory: Path) -> Postgres:
    return EmbeddedPostgres(directory / "pg").database("postgres", DATABASE)


def seed(directory: Path, carts: int, companies: int) -> None:
    """A migrated and seeded database of a server with these settings."""
    server = EmbeddedPostgres(directory / "pg")
    start(server, Layout(directory))
    with server.database("postgres").session("benchmark") as connection:
        for name, value in SETTINGS.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'".encode())
    server.stop()
    server.start()
    settings = Database.model_validate(
        {"dsn": Secret(literal=server.dsn(DEPLOYER, DATABASE)), "owner_role": OWNER, "app_role": APP}
    )
    began = time.monotonic()
    deploy(server.database(DEPLOYER, DATABASE), settings, "benchmark", Pulse())
    print(f"migrate: {time.monotonic() - began:.2f} s")
    pulse = Pulse(progress=progress_lines("seed", sys.stderr.write))
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    print(
        fill(
            _postgres(directory),
            carts=carts,
            count=companies,
            seed=1,
            until=until,
            replace=False,
            pulse=pulse,
        )
    )


def build_optional(directory: Path) -> None:
    """The optional indexes of `migrate index --scale`, and the one of customers' e-mails."""
    with _postgres(directory).session("benchmark", statement_timeout="0") as connection:
        for statement in (*(index.statement.sql for index in SCALE_INDEXES), EMAIL_INDEX):
            began = time.monotonic()
            connection.execute(statement.replace("INDEX CONCURRENTLY", "INDEX").encode())
            print(f"{time.monotonic() - began:.1f} s: {' '.join(statement.split())}")
        connection.execute("ANALYZE customers")


def main() -> int:
    """One part."""
    directory, part, *more = Path(sys.argv[1]).resolve(), *sys.argv[2:]
    if part == "seed":
        carts, companies = (int(word) for word in (*more, "10000000", "1000")[:2])
        seed(directory, carts, companies)
        return 0
    if part == "stop":
        EmbeddedPostgres(directory / "pg").stop()
        return 0
    EmbeddedPostgres(directory / "pg").start()
    if part == "indexes":
        build_optional(directory)
    engine = over(lambda: _postgres(directory).connect("benchmark", autocommit=False))
    if part == "queries":
        return 0 if measure(engine, more[0] if more else "") else 1
    if part == "jobs":
        run_jobs(directory, engine, more[2:] or list(JOBS), int(more[0]), float(more[1]))
    if part == "cost":
        cost(engine, more)
    return 0


if __name__ == "__main__":
    sys.exit(main())
