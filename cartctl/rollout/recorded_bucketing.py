"""What determines the order of companies, recorded when a rollout starts: if any of it changed, companies would flip.

The library that hashes is not ours, so it is tried on a table of ids that ships with cartctl.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from cartctl.errors import Refused
from cartctl.rollout.document import KEY
from cartctl.rollout.evaluation import TOTAL, Buckets
from cartctl.rollout.flag_names import FLAGS

HASH = "MurmurHash3 32 bits of the key's text, its upper bits"
TABLE_SEED = "cart"  # of the shipped table


class BucketingChanged(Refused):
    """Companies would be chosen in another order than at the start of the rollout."""

    code = "bucketing_changed"


@dataclass(frozen=True, slots=True)
class Frozen:
    """The bucketing at the start of a rollout.

    `table` is the library's bucket for each id of the shipped table under the seed.
    """

    seed: str
    bucket_key: str
    flags: tuple[str, ...]
    variants: tuple[str, ...]
    total_weight: int
    hash: str
    table: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """As the journal stores it."""
        fields: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return fields


@cache
def table() -> dict[str, int]:
    """The shipped ids, each with the bucket (0 to 9999) it has under the seed `cart`."""
    expected: dict[str, int] = json.loads(
        files("cartctl.rollout").joinpath("table.json").read_text(encoding="utf-8")
    )
    return expected


def freeze(seed: str) -> Frozen:
    """The present bucketing, with the installed library."""
    buckets = Buckets(seed)
    key = json.dumps({"cat": [f"{seed}/", KEY]})
    buckets_of_table = tuple(buckets.bucket(one) for one in table())
    return Frozen(seed, key, FLAGS, ("on", "off"), TOTAL, HASH, buckets_of_table)


def refuse_other_library() -> None:
    """Raise BucketingChanged when the installed library's buckets differ from those of the library cartctl was built with."""
    buckets = Buckets(TABLE_SEED)
    other = [one for one, bucket in table().items() if buckets.bucket(one) != bucket]
    if other:
        raise BucketingChanged(
            f"The flags library puts {len(other)} of {len(table())} known IDs into different buckets, for example {other[0]!r}.",
            hint="Install the version of openfeature-flagd-core that cartctl was released with.",
        )


def refuse_changed(recorded: Mapping[str, Any], seed: str) -> None:
    """Raise BucketingChanged, naming what differs, unless everything is as it was recorded."""
    refuse_other_library()
    now = freeze(seed).to_json()
    changed = [name for name in now if now[name] != recorded.get(name)]
    if changed:
        name = "seed" if "seed" in changed else changed[0]
        change = (
            f"was {recorded.get(name)!r}, is {now[name]!r}" if name != "table" else "is evaluated differently"
        )
        raise BucketingChanged(
            f"The rollout cannot continue: its {name.replace('_', ' ')} {change}.",
            hint="Restore the previous value: otherwise companies would lose the feature.",
        )
