"""Request sign-offs: run the checks, and record what is to be approved."""

from pathlib import Path

from cartctl.checks.preflight.skips import NAMES
from cartctl.engine.lock import whoami
from cartctl.engine.model import CheckResult, Checks, Skip
from cartctl.engine.outcome import passed
from cartctl.engine.pulse import Pulse
from cartctl.errors import ConfigError
from cartctl.plans.deploy.approval_subject import approval_subject
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.preflight import preflight
from cartctl.plans.deploy.run import planned
from cartctl.plans.deploy.signoffs import open_pool, verifier
from cartctl.plans.execution.run_monitor import new_watch
from cartctl.plans.signoff.exchange_files import writing_request
from cartctl.ports import Ports
from cartctl.signoff.judgement import attach, valid_attestations
from cartctl.signoff.pool import to_event
from cartctl.signoff.records import SignoffRequest, now
from cartctl.signoff.subject import Values

NOT_YET = ("window", "signoff")  # checks of the deployment itself: later, and with the approvals


def request_signoffs(ports: Ports, options: DeployOptions, path: Path, pulse: Pulse) -> SignoffRequest:
    """Run the checks, write the request to a file and record it in the journal.

    Raises CheckFailed or Inconclusive for checks that did not pass, ConfigError where no role is configured, UsageError for a
    file that cannot be written; then nothing is written.
    """
    env = ports.env
    if not env.signoff.roles:
        raise ConfigError(
            f"Environment {env.name} requires no sign-offs.", hint=f"Set [env.{env.name}.signoff] roles."
        )
    with writing_request(path) as written:
        checks = preflight(ports, options, only=tuple(name for name in NAMES if name not in NOT_YET)).judge(
            pulse
        )
        passed("preflight", checks)
        request = _request(ports, options, checks)
        with open_pool(ports) as (journal, _):
            journal.prepare()
            journal.append(to_event(request))
        written.append(request)
    return request


def _request(ports: Ports, options: DeployOptions, checks: Checks) -> SignoffRequest:
    env, subject = ports.env, approval_subject(ports, options)
    with open_pool(ports) as (_, pool):
        attested = valid_attestations(subject, pool, env.signoff, verifier(env.signoff))
    complete = attach(subject, attested)
    return SignoffRequest(
        environment=env.name,
        fingerprint=complete.fingerprint,
        subject=complete,
        roles=env.signoff.roles,
        name="{user}@{host}".format(**whoami()),
        at=now(),
        steps=tuple(_steps(ports, options)),
        checks=tuple(map(_result, checks.checks)),
        options=options.to_json(),
    )


def _steps(ports: Ports, options: DeployOptions) -> list[str]:
    phases = planned(ports, options, new_watch(ports))
    steps = [step for phase in phases for step in phase.steps]
    return [f"{step.key} ({step.reason})" if isinstance(step, Skip) else step.key for step in steps]


def _result(check: CheckResult) -> Values:
    fields = {
        "name": check.name,
        "verdict": check.verdict.value,
        "observed": str(check.observed),
        "hint": check.hint,
    }
    return {name: value for name, value in fields.items() if value}
