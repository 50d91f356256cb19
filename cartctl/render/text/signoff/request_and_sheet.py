"""Sign-offs as text: the request, and the sheet of approvals."""

from collections.abc import Iterable

from rich.table import Table

from cartctl.engine.signoffs import RunSignoff
from cartctl.render.drawing import Group, RenderableType, Text
from cartctl.render.renderers import renderable
from cartctl.render.text.signoff.table import signoff_table
from cartctl.signoff.judgement import SignoffSheet
from cartctl.signoff.records import Recorded, SignoffRequest
from cartctl.signoff.subject import ApprovalSubject


@renderable.register
def request(result: SignoffRequest) -> RenderableType:
    """Everything that is approved, the checks that did not pass, and the roles."""
    table = _pairs()
    table.add_row("approve", Text(f"deployment to {result.environment}"))
    table.add_row("fingerprint", Text(result.fingerprint))
    table.add_row("requested", Text(f"{result.name}, {result.at:%Y-%m-%d %H:%M} UTC"))
    _add(table, "steps", [", ".join(result.steps)])
    _add_subject(table, result.subject)
    _add(table, "checks", [_counts(result)])
    _add(table, "", [_line(check) for check in result.checks if check.get("verdict") == "warn"])
    _add(table, "roles", [", ".join(result.roles)])
    return table


def _add_subject(table: Table, subject: ApprovalSubject) -> None:
    _add(table, "images", [f"{name}: {image.ref}" for name, image in subject.images.items()])
    if subject.movable:
        refs = ", ".join(subject.movable)
        table.add_row("", Text(f"no digest, so the tag may move to another image: {refs}", "yellow"))
    _add(
        table,
        "migrations",
        [f"{name}: sha256 {checksum[:12]}…" for name, checksum in subject.migrations.items()],
    )
    _add(table, "skipped", list(subject.plan.get("skip") or ()))
    _add(table, "attested", [f"{name}: {one}, {one.link}" for name, one in subject.attestations.items()])


def _counts(result: SignoffRequest) -> str:
    verdicts = [str(check.get("verdict")) for check in result.checks]
    return ", ".join(f"{verdicts.count(one)} {one.replace('_', ' ')}" for one in dict.fromkeys(verdicts))


def _line(check: object) -> str:
    fields = check if isinstance(check, dict) else {}
    return f"{fields.get('name')}: {fields.get('observed')}"


@renderable.register
def sheet(result: SignoffSheet) -> RenderableType:
    """The sign-off table, why approvals do not count, the attestations, and what has changed since the request."""
    rows = [RunSignoff(row.role, row.name, row.at, row.key) for row in result.rows if row.counts]
    missing = [RunSignoff(row.role, "", None) for row in result.rows if not row.counts]
    order = [row.role for row in result.rows]
    parts: list[RenderableType] = [
        Text(
            f"{result.environment}, {result.fingerprint}, {'' if result.requested else 'not '}requested",
            "dim",
        ),
        signoff_table(sorted((*rows, *missing), key=lambda one: order.index(one.role)))
        if result.rows
        else Text("No sign-offs are required."),
    ]
    table = _pairs()
    _add(table, "not counted", [row.reason for row in result.rows if not row.counts and row.name])
    _add(table, "attested", [f"{one}, {one.link}" for one in result.attestations])
    _add(table, "changed", result.outdated)
    if table.row_count:
        parts += [Text(), table]
    return Group(*parts)


@renderable.register
def recorded(result: Recorded) -> RenderableType:
    """One line per record."""
    return Text("\n".join(map(str, result.all)))


def _pairs() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="dim")
    table.add_column(overflow="fold")
    return table


def _add(table: Table, name: str, lines: Iterable[str]) -> None:
    for number, line in enumerate(line for line in lines if line):
        table.add_row("" if number else name, Text(line))
