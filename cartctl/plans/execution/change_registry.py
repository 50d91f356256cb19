"""Map each kind in the journal to the Change that reverts it. A kind's name never changes."""

from cartctl.engine.runner import Kinds
from cartctl.plans.execution import step_factories
from cartctl.ports import Ports


def kinds(ports: Ports) -> Kinds:
    """Every kind of Change that any version of cartctl has journalled."""
    return {
        "replicas": lambda key, names: step_factories.replicas(ports, key, names),
        "release": lambda key, names: step_factories.release_of(ports, key, names),
        "revision": lambda key, names: step_factories.revision(ports, key, names),
        "maintenance": lambda key, names: step_factories.maintenance(ports, key, names),
        "flags": lambda key, names: step_factories.flags(ports, key, names),
    }
