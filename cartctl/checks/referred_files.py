"""The files that a configuration refers to, read as the command that needs them would read them."""

import base64
import binascii
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cartctl.adapters.flag_store import FileFlags
from cartctl.adapters.http.client import Http
from cartctl.adapters.postgres import Postgres
from cartctl.checks.preflight.junit import UnusableReportError, read_report
from cartctl.checks.smoke.suite_file import load_suite
from cartctl.config.model.application import Http as HttpSettings
from cartctl.config.model.environment import Database, Environment
from cartctl.database.migrations.application.files import read_application
from cartctl.engine.model import CheckResult, Verdict
from cartctl.errors import CartctlError, ConfigError
from cartctl.inputs import InvalidInput, MissingInput, read_text
from cartctl.migrations.frozen import NAMES
from cartctl.rollout.companies import read_companies
from cartctl.rollout.document import parse

LARGEST = 1024 * 1024  # bytes of a file of keys
KEY_TYPES = ("ssh-", "ecdsa-", "sk-ssh-", "sk-ecdsa-")  # of OpenSSH
RECIPIENTS = ("age1", "ssh-")
IDENTITIES = ("AGE-SECRET-KEY-", "AGE-PLUGIN-", "-----BEGIN OPENSSH PRIVATE KEY-----")

Reader = Callable[[], str]


def judge_files(env: Environment) -> Iterator[CheckResult]:
    """One result per file: what it holds, or why it cannot be used. A file that others write later warns. Read-only."""
    for name, read in _readers(env):
        yield _result(f"{env.name} {name}", read)
    for path in map(Path, env.preflight.junit):
        yield _report(f"{env.name} preflight.junit", path)


def _readers(env: Environment) -> Iterator[tuple[str, Reader]]:
    """Each file's key and what reads it."""
    http, database = env.http_, env.database_
    for path in http.suites if http else ():
        yield "http.suites", partial(_suite, path)
    companies = env.rollout.companies
    if companies is not None and companies.csv is not None:
        yield "rollout.companies.csv", lambda: _companies(env)
    if (flags := env.rollout.flags.file) is not None:
        yield "rollout.flags.file", partial(_flags, flags)
    if (signers := env.signoff.allowed_signers) is not None:
        yield "signoff.allowed_signers", partial(_signers, signers)
    if database is not None:
        yield from _database_readers(env, database)
    if http is not None and http.verify_tls and http.api.startswith("https:"):
        yield "TLS certificates", lambda: _authorities(http)


def _database_readers(env: Environment, database: Database) -> Iterator[tuple[str, Reader]]:
    if database.migrations.prisma_dir is not None or database.migrations.source == "prisma":
        yield "database.migrations.prisma_dir", lambda: _migrations(env)
    if encrypt := database.snapshots.encrypt:
        for key, file, marks in (
            ("age", encrypt.age, RECIPIENTS),
            ("identity", encrypt.identity, IDENTITIES),
        ):
            if file is not None:
                yield f"database.snapshots.encrypt.{key}", partial(_keys, file, marks)
    yield "database.dsn certificates", lambda: _certificates(env)


def _result(name: str, read: Reader) -> CheckResult:
    try:
        return CheckResult(name, Verdict.PASS, observed=read())
    except MissingInput as missing:
        return CheckResult(
            name, Verdict.WARN, observed=missing.message, hint="Create it, or correct the path."
        )
    except CartctlError as wrong:
        return CheckResult(name, Verdict.FAIL, observed=wrong.message, hint=wrong.hint)


def _report(name: str, path: Path) -> CheckResult:
    """A report is written by a later build, so that a missing one warns."""
    if not path.exists():
        return CheckResult(name, Verdict.WARN, observed=f"{path}: file not found yet", hint="Run the tests.")
    try:
        return CheckResult(name, Verdict.PASS, observed=f"{path}: {read_report(path).ran} tests ran")
    except UnusableReportError as why:
        return CheckResult(name, Verdict.FAIL, observed=str(why), hint="Write the report again.")


def _suite(path: Path) -> str:
    if not path.exists():
        raise MissingInput("file not found", path=path)
    return f"{path}: {len(load_suite(path).request)} requests"


def _companies(env: Environment) -> str:
    settings = env.rollout.companies
    if settings is not None and settings.csv is not None and not settings.csv.exists():
        raise MissingInput("file not found", path=settings.csv)
    companies = read_companies(settings, Postgres(""))  # a file needs no database
    return f"{len(companies.ids)} companies, {len(companies.beta)} of them beta"


def _flags(path: Path) -> str:
    text = FileFlags(path).read().text
    return (
        f"{path}: created with the first change"
        if text is None
        else f"{path}: {len(parse(text, str(path)))} keys"
    )


def _signers(path: Path) -> str:
    """OpenSSH's form: principals, options if any, key type, key (ssh-keygen(1), ALLOWED SIGNERS)."""
    lines = _lines(path)
    for number, line in lines:
        fields = line.split()
        at = next((at for at, word in enumerate(fields) if at and word.startswith(KEY_TYPES)), None)
        if at is None or not _is_base64(fields[at + 1 : at + 2]):
            raise InvalidInput(
                f"line {number} is not an allowed signer",
                path=path,
                hint="Write: name@example.com ssh-ed25519 AAAA…",
            )
    if not lines:
        raise InvalidInput("it names no signer", path=path)
    return f"{path}: {len(lines)} signers"


def _is_base64(fields: list[str]) -> bool:
    try:
        return bool(fields) and bool(base64.b64decode(fields[0], validate=True))
    except (binascii.Error, ValueError):
        return False


def _keys(path: Path, marks: tuple[str, ...]) -> str:
    if not any(line.startswith(marks) for _, line in _lines(path)):
        raise InvalidInput(f"it has no line that starts with {' or '.join(marks)}", path=path)
    return f"{path} can be read"


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines with their numbers, without comments and empty ones."""
    lines = enumerate(read_text(path, limit=LARGEST).split("\n"), 1)
    return [(number, line.strip()) for number, line in lines if line.strip() and not line.startswith("#")]


def _migrations(env: Environment) -> str:
    application = read_application(env.database.migrations, ledger=False)
    if application.run:
        application.require(NAMES)
    return f"{len(application.files)} of cartctl's migrations in the application's files"


def _certificates(env: Environment) -> str:
    """What libpq would read. A DSN that cannot be resolved here fails its own check."""
    try:
        dsn = env.database.dsn.reveal()
    except ConfigError:
        return "not resolved here"
    files = Postgres(dsn).certificate_files()
    for path in files:
        read_text(path, limit=LARGEST)
    return ", ".join(map(str, files)) or "the DSN contains none"


def _authorities(settings: HttpSettings) -> str:
    Http(settings.api).check_certificates()
    return "can be read"
