"""Key paths of the configuration file, and how TOML writes them."""

import json
import re
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")
_LONGEST = 60  # characters of a key in a message


def dotted(path: KeyPath) -> str:
    """A key path as TOML writes it, on one line; very long keys are cut."""
    return ".".join(
        part if _BARE.fullmatch(part) else json.dumps(part[:_LONGEST], ensure_ascii=False) for part in path
    )
