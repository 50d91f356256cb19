"""From the kind in the journal to the Change that puts it back. A kind's name never changes."""

from cartctl.engine.runner import Kinds
from cartctl.plans import parts
from cartctl.ports import Ports


def kinds(ports: Ports) -> Kinds:
    """Every kind of Change that any version of cartctl has journalled."""
    return {
        "replicas": lambda key, names: parts.replicas(ports, key, names),
        "release": lambda key, names: parts.release_of(ports, key, names),
        "revision": lambda key, names: parts.revision(ports, key, names),
        "maintenance": lambda key, names: parts.maintenance(ports, key, names),
        "flags": lambda key, names: parts.flags(ports, key, names),
    }
