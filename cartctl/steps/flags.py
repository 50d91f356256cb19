"""The feature flags' definitions in a flagd document; here a rollback takes them to 0 %."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cartctl.adapters.cluster import Cluster
from cartctl.engine.model import Change
from cartctl.engine.pulse import Pulse
from cartctl.errors import StepFailed

FLAGS = ("FEATURE_CART_MANAGEMENT", "FEATURE_ABANDONED_CART_RECOVERY", "FEATURE_ECOMMERCE_ANALYTICS")


class Flags(Change[Any]):
    """Definitions by flag name, in the document at `place` (ConfigMap, key); other flags there are not touched.

    The target is 0 %: off for everybody but the `internal` companies.
    """

    kind: ClassVar[str] = "flags"
    value: ClassVar[Any] = Any

    def __init__(
        self,
        key: str,
        names: tuple[str, ...],
        cluster: Cluster,
        place: tuple[str, str],
        *,
        internal: Sequence[str] = (),
    ) -> None:
        self.key = key
        self.names = names
        self._cluster = cluster
        self._configmap, self._entry = place
        self._internal = internal

    def observe(self, names: tuple[str, ...]) -> dict[str, Any]:
        """The definitions; None where a flag is not defined. Read-only."""
        flags = self._document().get("flags", {})
        return {name: flags.get(name) for name in names}

    def target(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Off, but for the internal companies."""
        return {name: definition and self._off(definition) for name, definition in before.items()}

    def move(self, to: Mapping[str, Any], pulse: Pulse) -> None:
        """Write the definitions that differ."""
        pulse.check()
        if self.observe(tuple(to)) == dict(to):
            return
        document = self._document()
        flags = {**document.get("flags", {}), **to}
        document["flags"] = {name: definition for name, definition in flags.items() if definition is not None}
        self._cluster.put_settings(self._configmap, {self._entry: json.dumps(document, indent=2)})

    def _off(self, definition: Mapping[str, Any]) -> dict[str, Any]:
        names = {value: name for name, value in definition.get("variants", {}).items()}
        if not {True, False} <= set(names):
            raise StepFailed("A flag has no on and off variants.", hint="Give it variants true and false.")
        chosen = {"if": [{"in": [{"var": "targetingKey"}, list(self._internal)]}, names[True], names[False]]}
        return {**definition, "defaultVariant": names[False], "targeting": chosen if self._internal else {}}

    def _document(self) -> dict[str, Any]:
        text = self._cluster.settings(self._configmap).get(self._entry, "{}")
        try:
            document: dict[str, Any] = json.loads(text)
        except ValueError as broken:
            raise StepFailed(
                f"{self._configmap}/{self._entry} is no JSON: {broken}",
                hint="Put the flags' document right first.",
            ) from broken
        return document
