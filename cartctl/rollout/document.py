"""The cart's flags in a flagd document: written, read back, and everything else preserved.

One rule decides for all three flags, so that a company has all or none of the feature. It occurs once in the document, as an
evaluator that the flags refer to. Other teams' flags and evaluators are preserved.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from cartctl.errors import Refused, StepFailed
from cartctl.inputs import InvalidInput, parse_json
from cartctl.rollout.evaluation import TOTAL, Buckets
from cartctl.rollout.flag_names import FLAGS

RULE = "cartctl_rollout"
EVALUATOR = f"$evaluators/{RULE}"  # in names of values: the document's evaluator
PLAIN = "plain/"  # in names of values: a key beside the document, for readers of environment variables
KEY = {"var": "targetingKey"}  # the company's id
LARGEST = 1024 * 1024  # bytes of a ConfigMap
BY_HAND = "by hand"

Allocation: TypeAlias = Literal["exact", "fractional"]


class BrokenDocument(Refused):
    """The document of flags cannot be read; it was not overwritten."""

    code = "flags_broken"


@dataclass(frozen=True, slots=True)
class Setting:
    """Which companies are enabled: internal ones, the `cohort`, and with `fractional` a share of all companies or of `beta`."""

    percent: Decimal = Decimal(0)
    allocation: Allocation = "exact"
    cohort: tuple[str, ...] = ()
    beta: tuple[str, ...] | None = (
        None  # the companies that the share is of; None: all companies; exact needs no names
    )
    internal: tuple[str, ...] = ()
    seed: str = "cart"

    @property
    def weight(self) -> int:
        """The share in units of the rule's total weight."""
        return int(self.percent * TOTAL / 100)

    @property
    def everybody(self) -> bool:
        """Whether every company is enabled, including future ones."""
        return self.beta is None and self.weight == TOTAL

    def members(self, companies: Iterable[str], buckets: Buckets) -> frozenset[str]:
        """Which of `companies` the rule enables. `buckets` have this setting's seed."""
        listed = frozenset((*self.internal, *self.cohort))
        among = None if self.beta is None else frozenset(self.beta)

        def on(company: str) -> bool:
            if company in listed or self.everybody:
                return True
            shared = self.allocation == "fractional" and (among is None or company in among)
            return shared and buckets.below(company, self.weight)

        return frozenset(filter(on, companies))


def render(setting: Setting) -> dict[str, Any]:
    """Values by name: the three flags' definitions, the evaluator they share, and the plain keys.

    Where the rule contains a character that libraries break when they substitute an evaluator, each flag contains the rule
    itself.
    """
    rule = {
        "if": [
            {"in": [KEY, list(setting.internal)]},
            "on",
            {"in": [KEY, list(setting.cohort)]},
            "on",
            _share(setting),
        ]
    }
    shared = not set("\\$") & set(json.dumps(rule))
    metadata = {
        "owner": "cartctl",
        "percent": f"{setting.percent:f}",
        "of": "companies" if setting.beta is None else "beta companies",
        "allocation": setting.allocation,
        "seed": setting.seed,
    }
    definition = {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "off",
        "targeting": {"$ref": RULE} if shared else rule,
        "metadata": metadata,
    }
    plain = dict.fromkeys((PLAIN + name for name in FLAGS), "true" if setting.everybody else "false")
    return {**dict.fromkeys(FLAGS, definition), EVALUATOR: rule if shared else None, **plain}


def _share(setting: Setting) -> Any:
    """The rule for a company that no list names."""
    if setting.everybody:
        return "on"
    if setting.allocation == "exact" or setting.weight == 0:
        return "off"
    key = {"cat": [f"{setting.seed}/", KEY]}
    share: Any = {"fractional": [key, ["on", setting.weight], ["off", TOTAL - setting.weight]]}
    if setting.weight == TOTAL:
        share = "on"
    return share if setting.beta is None else {"if": [{"in": [KEY, list(setting.beta)]}, share, "off"]}


def read_setting(values: Mapping[str, Any]) -> Setting | None:
    """The setting behind values as `render` gives them; None where they were modified externally."""
    flag = next((values[name] for name in FLAGS if values.get(name) and not is_by_hand(values[name])), None)
    try:
        metadata = flag["metadata"] if flag else {}
        rule = values[EVALUATOR] if values.get(EVALUATOR) else flag["targeting"] if flag else {}
        internal, _, cohort, _, share = rule["if"]
        named = share["if"][0]["in"][1] if isinstance(share, Mapping) and "if" in share else ()
        setting = Setting(
            Decimal(metadata["percent"]),
            metadata["allocation"],
            tuple(cohort["in"][1]),
            None if metadata["of"] == "companies" else tuple(named),
            tuple(internal["in"][1]),
            metadata["seed"],
        )
    except (KeyError, TypeError, ValueError, ArithmeticError):
        return None
    expected = render(setting)
    same = all(values.get(name) == expected[name] for name in FLAGS if not is_by_hand(values.get(name)))
    return setting if same and values.get(EVALUATOR) == expected[EVALUATOR] else None


def names_of(*, plain: bool) -> tuple[str, ...]:
    """Every value of the cart's flags in a place, with the keys beside the document where there are some."""
    return (*FLAGS, EVALUATOR, *((PLAIN + name for name in FLAGS) if plain else ()))


def set_by_hand(on: bool) -> dict[str, Any]:
    """A flag that is on or off for every company, independent of the rollout."""
    return {
        "state": "ENABLED",
        "variants": {"on": True, "off": False},
        "defaultVariant": "on" if on else "off",
        "targeting": {},
        "metadata": {"owner": "cartctl", "set": BY_HAND},
    }


def is_by_hand(definition: object) -> bool:
    """Whether a flag was set by hand, so that the rollout does not change it."""
    metadata = definition.get("metadata") if isinstance(definition, Mapping) else None
    return isinstance(metadata, Mapping) and metadata.get("set") == BY_HAND


def parse(text: str | None, place: str) -> dict[str, Any]:
    """The document of a text; an absent one is empty. Raises BrokenDocument naming place, line and column."""
    if text is None:
        return {}
    try:
        document = parse_json(text)
    except InvalidInput as broken:
        raise BrokenDocument(
            f"{place}: {broken.reason}.",
            hint="Correct the flags document first; it was not overwritten.",
        ) from broken
    parts = (
        [document.get("flags", {}), document.get("$evaluators", {})] if isinstance(document, dict) else [None]
    )
    if not all(isinstance(part, dict) for part in parts):
        raise BrokenDocument(
            f"{place} is not a flags document: `flags` is not an object.",
            hint='The expected form is {"flags": {"NAME": {…}}}.',
        )
    parsed: dict[str, Any] = document
    return parsed


def values_in(
    document: Mapping[str, Any], entries: Mapping[str, str], names: tuple[str, ...]
) -> dict[str, Any]:
    """The values of `names` in a document and the plain keys beside it; None where there is none."""
    flags, evaluators = document.get("flags", {}), document.get("$evaluators", {})
    values = {}
    for name in names:
        if name.startswith(PLAIN):
            values[name] = entries.get(name.removeprefix(PLAIN))
        else:
            values[name] = evaluators.get(RULE) if name == EVALUATOR else flags.get(name)
    return values


def put_in(document: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The document with these values, everything else as it was; a value None is removed."""
    flags = {**document.get("flags", {})}
    evaluators = {**document.get("$evaluators", {})}
    for name, value in values.items():
        part, key = (evaluators, RULE) if name == EVALUATOR else (flags, name)
        if name.startswith(PLAIN):
            continue
        if value is None:
            part.pop(key, None)
        else:
            part[key] = value
    merged = {**document, "flags": flags}
    if evaluators or "$evaluators" in document:
        merged["$evaluators"] = evaluators
    return merged


def write(document: Mapping[str, Any], place: str) -> str:
    """The document's text. Raises StepFailed when it is too large for a ConfigMap."""
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    size = len(text.encode())
    if size > LARGEST:
        raise StepFailed(
            f"The flags document would have {size / LARGEST:.1f} MiB; the limit of {place} is 1 MiB.",
            hint='Set rollout.companies.allocation = "fractional", which needs no list.',
        )
    return text
