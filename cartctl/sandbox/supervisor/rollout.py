"""The next moves of a deployment's controller, from its spec and its pods. Pure.

A rolling update with maxSurge 25 % (at least one) and maxUnavailable 0: new pods first; an old one ends when a new one is ready.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from cartctl.sandbox.supervisor.model import Pod, Spec

SURGE = 0.25


@dataclass(frozen=True, slots=True)
class Moves:
    """How many pods of the latest template to start, and which pods to end."""

    make: int
    end: tuple[Pod, ...]


def decide(spec: Spec, pods: Sequence[Pod]) -> Moves:
    """The next moves towards the spec. Pods that are ending no longer count."""
    running = [pod for pod in pods if pod.ending is None]
    new = [pod for pod in running if pod.revision == spec.revision]
    old = [pod for pod in running if pod.revision != spec.revision]
    if spec.paused and old:
        return _size_only(spec, running)
    room = spec.replicas + max(1, ceil(spec.replicas * SURGE)) - len(running) if old else spec.replicas
    make = max(0, min(spec.replicas - len(new), room))
    surplus = _worst_first(new)[: max(0, len(new) - spec.replicas)]
    return Moves(make, (*surplus, *_dispensable(spec, new, old)))


def _dispensable(spec: Spec, new: list[Pod], old: list[Pod]) -> list[Pod]:
    """Old pods that may end: unready ones at once, ready ones as long as enough stay available."""
    spare = sum(pod.up for pod in (*new, *old)) - spec.replicas
    going = [pod for pod in old if not pod.up]
    for pod in old:
        if pod.up and spare > 0:
            going.append(pod)
            spare -= 1
    return going


def _size_only(spec: Spec, running: list[Pod]) -> Moves:
    """A paused deployment keeps its templates: only surplus pods end."""
    return Moves(0, tuple(_worst_first(running)[: max(0, len(running) - spec.replicas)]))


def _worst_first(pods: list[Pod]) -> list[Pod]:
    return sorted(pods, key=lambda pod: (pod.up, -pod.started))
