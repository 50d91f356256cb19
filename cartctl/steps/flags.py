"""Feature flag definitions in a flagd document, changed by name; the rest of the document is not touched."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from cartctl.adapters.cluster import SettingsChanged
from cartctl.adapters.flag_store import FlagStore, Stored
from cartctl.engine.evidence import ModifiedExternally
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.rollout.document import EVALUATOR, PLAIN, names_of, parse, put_in, values_in, write
from cartctl.rollout.flag_names import FLAGS

__all__ = ["FLAGS", "Flags", "names_in", "off"]

ATTEMPTS = 5  # attempts of a write that conflicts with others

Target = Callable[[Mapping[str, Any]], dict[str, Any]]


class Flags(Change[Any]):
    """Flag definitions by name (`$evaluators/…` and `plain/KEY` too), null if not defined.

    `new_values` computes the new values from the current ones.
    """

    kind: ClassVar[str] = "flags"
    value: ClassVar[Any] = Any

    def __init__(self, key: str, names: tuple[str, ...], store: FlagStore, new_values: Target) -> None:
        self.key = key
        self.names = names
        self._store = store
        self._new_values = new_values

    def observe(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The values now. Read-only. Raises BrokenDocument."""
        stored = self._store.read()
        return values_in(parse(stored.text, self._store.place), stored.plain, names)

    def target(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """The new values."""
        return self._new_values(before)

    def move(self, to: Mapping[str, Any], pulse: Pulse) -> None:
        """Write all differences at once; after a conflicting write to other parts, read again and retry.

        Raises ModifiedExternally if one of these values was modified meanwhile.
        """
        first: dict[str, Any] | None = None
        for left in reversed(range(ATTEMPTS)):
            pulse.check()
            stored = self._store.read()
            now = values_in(parse(stored.text, self._store.place), stored.plain, tuple(to))
            if now == dict(to):
                return
            self._refuse_changed(first, now)
            first = now
            try:
                self._write(stored, to)
            except SettingsChanged:
                if not left:
                    raise
            else:
                return

    def _refuse_changed(self, first: Mapping[str, Any] | None, now: Mapping[str, Any]) -> None:
        changed = [name for name in now if first is not None and now[name] != first.get(name)]
        if changed:
            raise ModifiedExternally(
                f"{self._store.place}: {', '.join(changed)} was modified externally in the meantime.",
                hint="Check it with cartctl flags list, then run the command again.",
            )

    def _write(self, stored: Stored, to: Mapping[str, Any]) -> None:
        place = self._store.place
        text = write(put_in(parse(stored.text, place), to), place)
        plain = {name.removeprefix(PLAIN): value for name, value in to.items() if name.startswith(PLAIN)}
        self._store.write(text, plain, expected=stored.text)


def names_in(store: FlagStore) -> tuple[str, ...]:
    """The names of all cart flag values in a store."""
    return names_of(plain=store.keeps_plain)


def off(internal: Sequence[str]) -> Target:
    """The 0 % target: every defined flag is off except for the internal companies.

    Each flag contains the rule itself, so that evidence of any version of cartctl can be restored next to it.
    """

    def target(before: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _off(name, value, internal) for name, value in before.items()}

    return target


def _off(name: str, value: Any, internal: Sequence[str]) -> Any:
    if name == EVALUATOR or value is None:
        return None
    if name.startswith(PLAIN):
        return "false"
    variants = value.get("variants") if isinstance(value, Mapping) else None
    known = variants if isinstance(variants, Mapping) else {}
    names = {result: variant for variant, result in known.items() if isinstance(result, bool)}
    if not {True, False} <= set(names):
        raise StepFailed(
            f"The flag {name} has no on and off variants.", hint="Add the variants true and false."
        )
    chosen = {"if": [{"in": [{"var": "targetingKey"}, list(internal)]}, names[True], names[False]]}
    rest = {part: setting for part, setting in value.items() if part != "metadata"}
    return {
        **rest,
        "state": "ENABLED",
        "defaultVariant": names[False],
        "targeting": chosen if internal else {},
    }
