"""Whether a configuration file is valid, with the files and secrets that it refers to. Reads files and variables only."""

import stat
from collections.abc import Iterator

from cartctl.checks.referred_files import judge_files
from cartctl.config.approval_rules import unproved
from cartctl.config.load import Loaded, choose, load_table
from cartctl.config.model.environment import REQUIRED, UNVERIFIED, Environment
from cartctl.config.rules import secrets_of
from cartctl.config.source import find_source
from cartctl.config.values import Secret
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.errors import ConfigError, Refused
from cartctl.snapshots.storage.destination import refuse_plain

VERIFY = (
    "Trust the server's certificate authority instead: SSL_CERT_FILE, or metrics.ca for the metrics source."
)
DSNS = (("database", "dsn"), ("database", "state"))


def judge_configuration(config: str | None, env: str | None) -> Checks:
    """Every environment of the file, or the one that is named.

    Raises ConfigError when file not found or environment, or the file is no TOML. Read-only.
    """
    source = find_source(config)
    if env is None and source is not None and source.environments:
        tables = [(source, name, name) for name in source.environments]
    else:
        tables = [choose(config, env)]
    return Checks.of(result for table in tables for result in _environment(load_table(*table)))


def _environment(loaded: Loaded) -> Iterator[CheckResult]:
    if loaded.environment is None:
        for problem in loaded.problems:
            sentence = problem.sentence(loaded.layers, loaded.name)
            yield CheckResult(loaded.name, Verdict.FAIL, observed=sentence, hint=problem.hint)
        return
    missing = [name for name in REQUIRED if name not in loaded.environment.sections]
    without = f"; not configured: {', '.join(missing)}" if missing else ""
    yield CheckResult(loaded.name, Verdict.PASS, observed=f"valid ({loaded.source.shown}){without}")
    if warned := unproved(loaded.environment, loaded.source.environments):
        sentence = warned.sentence(loaded.layers, loaded.name)
        yield CheckResult(loaded.name, Verdict.WARN, observed=sentence, hint=warned.hint)
    for key in loaded.environment.unverified:
        yield CheckResult(f"{loaded.name} {key}", Verdict.WARN, observed=UNVERIFIED, hint=VERIFY)
    for path, secret in secrets_of(loaded.environment):
        yield _secret(f"{loaded.name} {'.'.join(path)}", secret, dsn=path in DSNS)
    yield from judge_files(loaded.environment)
    yield from _missing(loaded.environment)


def _missing(env: Environment) -> Iterator[CheckResult]:
    """What a deployment's preflight will not pass without, as far as the configuration alone decides it."""
    try:
        if env.database_ is not None:
            refuse_plain(env)
    except Refused as refused:
        yield CheckResult(
            f"{env.name} database.snapshots.encrypt",
            Verdict.WARN,
            observed=refused.message,
            hint=refused.hint,
        )


def _secret(name: str, secret: Secret, *, dsn: bool) -> CheckResult:
    """Whether a secret can be read here; it may well be readable only where the deployment runs, so this warns."""
    try:
        value = secret.reveal()
    except ConfigError as missing:
        return CheckResult(name, Verdict.WARN, observed=missing.message, hint=missing.hint)
    if dsn and (wrong := _wrong_dsn(value)):
        return CheckResult(name, Verdict.FAIL, observed=wrong.message, hint=wrong.hint)
    if secret.file is not None and secret.file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        mode = stat.S_IMODE(secret.file.stat().st_mode)
        return CheckResult(
            name, Verdict.WARN, observed=f"{secret} can be read by others (mode {mode:04o})", hint="chmod 600"
        )
    return CheckResult(name, Verdict.PASS, observed=f"{secret} can be read")


def _wrong_dsn(value: str) -> ConfigError | None:
    from cartctl.adapters.postgres.dsn import read_dsn

    try:
        read_dsn(value)
    except ConfigError as wrong:
        return wrong
    return None
