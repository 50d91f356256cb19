"""`migrate lint`: runs Squawk on the frozen SQL; a finding fails unless the configuration accepts its rule with a reason."""

from collections import Counter
from collections.abc import Mapping

from cartctl.adapters.squawk import Finding, lint
from cartctl.engine.model import CheckResult, Checks, Verdict
from cartctl.migrations.frozen import MIGRATIONS


def lint_migrations(accepted: Mapping[str, str]) -> Checks:
    """One result per file and rule; `accepted` has the reasons by rule. Read-only.

    Raises ConfigError where Squawk is not installed.
    """
    files = {f"{each.name}/migration.sql": each.up for each in MIGRATIONS}
    files |= {f"{each.name}/strict.sql": each.strict for each in MIGRATIONS if each.strict}
    return judge_findings(files, lint(files), accepted)


def judge_findings(
    files: Mapping[str, bytes], findings: list[Finding], accepted: Mapping[str, str]
) -> Checks:
    """A file without findings passes; a finding passes when its rule is accepted, with the reason. Pure."""
    counted = Counter((each.file, each.rule) for each in findings)
    first = {(each.file, each.rule): each for each in reversed(findings)}
    clean = [
        CheckResult(name, Verdict.PASS, "nothing found")
        for name in files
        if not any(file == name for file, _ in counted)
    ]
    results = [_judge(first[key], times, accepted.get(key[1], "")) for key, times in sorted(counted.items())]
    return Checks.of([*clean, *results])


def _judge(finding: Finding, times: int, reason: str) -> CheckResult:
    name = f"{finding.rule} in {finding.file.partition('_')[0]}/{finding.file.rpartition('/')[2]}"
    where = f"{times} times, first at line {finding.line}" if times > 1 else f"at line {finding.line}"
    if reason:
        return CheckResult(name, Verdict.PASS, f"accepted, {where}: {reason}")
    return CheckResult(
        name,
        Verdict.FAIL,
        f"{finding.message} ({where})",
        "none, or accepted in migrations.accept",
        finding.help,
    )
