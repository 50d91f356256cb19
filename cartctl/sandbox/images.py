"""The sandbox's images: versions of the reference service, each with a fixed digest."""

import hashlib

IMAGES = ("1.0.0", "2.0.0", "2.0.0-crash", "2.0.0-errors", "2.0.0-slow", "2.0.0-payments-down")
FIRST = IMAGES[0]


def digest(version: str) -> str:
    """The digest of a version, `sha256:…`, as a registry would give it."""
    return f"sha256:{hashlib.sha256(f'cartctl reference service {version}'.encode()).hexdigest()}"


_BY_DIGEST = {digest(version): version for version in IMAGES}


def resolve(ref: str) -> str | None:
    """The version of an image reference (`2.0.0`, `2.0.0@sha256:…`, `sha256:…`) or None if there is none."""
    tag, _, digest = ref.rpartition("@")
    if digest.startswith("sha256:"):
        version = _BY_DIGEST.get(digest)
        return version if tag in {"", version} else None
    return ref if ref in IMAGES else None
