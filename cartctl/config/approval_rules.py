"""Rules of approvals that types cannot express: roles, signers, attestations, and the environment that proves a deployment."""

from collections.abc import Iterable, Iterator

from cartctl.config.keys import nearest
from cartctl.config.model.environment import Environment
from cartctl.config.problems import Problem
from cartctl.config.values import quoted

_RESERVED = frozenset('*?!,"\\')  # patterns and lists in ssh-keygen's allowed signers
NAME_CHARACTERS = 100  # characters of a name


def judge_signoff(environment: Environment) -> Iterator[Problem]:
    """Every rule that the environment's sign-offs break."""
    yield from _roles(environment)
    yield from _signers(environment)
    yield from _attestations(environment)


def _roles(environment: Environment) -> Iterator[Problem]:
    roles = environment.signoff.roles
    for role in sorted({role for role in roles if roles.count(role) > 1}):
        yield Problem(("signoff", "roles"), f"lists a role twice: {quoted(role)}")
    for role in roles:
        if not _is_name(role):
            yield Problem(("signoff", "roles"), f"has an invalid role: {quoted(role)}", hint=_NAME_HINT)


def _signers(environment: Environment) -> Iterator[Problem]:
    roles, signers = environment.signoff.roles, environment.signoff.signers
    for name, own in signers.items():
        if not _is_name(name) or _RESERVED & set(name) or name.split() != [name]:
            hint = "Use the principal of the allowed signers, such as ann@example.com."
            yield Problem(("signoff", "signers"), f"has an invalid name: {quoted(name)}", hint=hint)
        for role in own:
            if role not in roles:
                suggestion = nearest(role, roles)
                problem = f"refers to a role that is not in signoff.roles: {quoted(role)}"
                yield Problem(
                    ("signoff", "signers", name),
                    problem + (f"; did you mean '{suggestion}'?" if suggestion else ""),
                )
    held = {role for own in signers.values() for role in own}
    for role in roles if signers else ():
        if role not in held:
            hint = "Assign it to somebody, or remove it from signoff.roles."
            yield Problem(("signoff", "signers"), f"assigns nobody to the role {quoted(role)}", hint=hint)


def _attestations(environment: Environment) -> Iterator[Problem]:
    for name, required in environment.signoff.attestations.items():
        path = ("signoff", "attestations", name)
        if not _is_name(name) or "=" in name:
            yield Problem(path, "is an invalid name", hint=_NAME_HINT)
        if required.at_least is None and required.at_most is None:
            yield Problem(path, "has neither at_least nor at_most", hint="For example { at_least = 5 }.")
        elif not any(map(required.accepts, (required.at_least or 0, required.at_most or 0))):
            yield Problem(path, "accepts no value: at_least is above at_most")


_NAME_HINT = f"Use printable characters, {NAME_CHARACTERS} at most, without spaces at the ends."


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_CHARACTERS and text.isprintable() and text.strip() == text


def unproved(environment: Environment, others: Iterable[str]) -> Problem | None:
    """A warning for a `proved_on` that is not another environment of the file, where no file of the run replaces its journal."""
    proved_on, names = environment.proved_on, [*others, "sandbox"]
    if proved_on is None or (proved_on in names and proved_on != environment.name):
        return None
    if environment.proved_run is not None and proved_on != environment.name:
        return None
    suggestion = nearest(proved_on, names)
    message = f"must be another environment of this file, not {quoted(proved_on)}" + (
        f"; did you mean '{suggestion}'?" if suggestion else ""
    )
    return Problem(("proved_on",), message, hint=f"Environments here: {', '.join(names)}.")
