"""The feature flags' definitions in a flagd document, moved by name; everything else in it stays as it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from cartctl.adapters.cluster import SettingsChanged
from cartctl.adapters.flag_store import FlagStore, Stored
from cartctl.engine.evidence import ModifiedExternally
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed
from cartctl.rollout.document import EVALUATOR, FLAGS, PLAIN, names_of, parse, put_in, values_in, write

__all__ = ["FLAGS", "Flags", "names_in", "off"]

ATTEMPTS = 5  # of a write that somebody else's write came before

Target = Callable[[Mapping[str, Any]], dict[str, Any]]


class Flags(Change[Any]):
    """Flag definitions by name (`$evaluators/…` and `plain/KEY` too), null where there is none.

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
        """Write in one write what differs, on a fresh reading whenever somebody else wrote to another part in between.

        Raises ModifiedExternally when it was one of these values.
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
                f"{self._store.place}: {', '.join(changed)} was changed by somebody else in the meantime.",
                hint="Look at it with cartctl flags list, then run the command again.",
            )

    def _write(self, stored: Stored, to: Mapping[str, Any]) -> None:
        place = self._store.place
        text = write(put_in(parse(stored.text, place), to), place)
        plain = {name.removeprefix(PLAIN): value for name, value in to.items() if name.startswith(PLAIN)}
        self._store.write(text, plain, expected=stored.text)


def names_in(store: FlagStore) -> tuple[str, ...]:
    """Every value of the cart's flags that a place keeps."""
    return names_of(plain=store.keeps_plain)


def off(internal: Sequence[str]) -> Target:
    """To 0 %: every flag that is defined is off for everybody but the internal companies.

    Each flag carries the rule itself, so that evidence of any version of cartctl can be put back around it.
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
            f"The flag {name} has no on and off variants.", hint="Give it variants true and false."
        )
    chosen = {"if": [{"in": [{"var": "targetingKey"}, list(internal)]}, names[True], names[False]]}
    rest = {part: setting for part, setting in value.items() if part != "metadata"}
    return {
        **rest,
        "state": "ENABLED",
        "defaultVariant": names[False],
        "targeting": chosen if internal else {},
    }
