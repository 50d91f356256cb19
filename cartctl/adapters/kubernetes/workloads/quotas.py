"""Whether a namespace's quotas allow more pods: checked before a plan needs them, in the server's own quantities."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from math import ceil
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from cartctl.adapters.kubernetes.client.api import Api

SURGE = "25%"  # of a deployment that does not say
EVERY_POD = {
    "NotTerminating"
}  # scopes that a deployment's pods are always in; others cannot be known in advance
Item = Mapping[str, Any]
Needs = dict[str, Decimal]  # what pods request, by the quota's name for it


def surge(deployment: Item, replicas: int) -> int:
    """Additional pods that a release of a deployment with that many replicas creates. Pure."""
    strategy = deployment["spec"].get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0
    most = (strategy.get("rollingUpdate") or {}).get("maxSurge", SURGE)
    text = str(most)
    return ceil(replicas * int(text[:-1]) / 100) if text.endswith("%") else int(text)


def shortages(api: Api, deployments: Iterable[tuple[Item, int]]) -> list[str]:
    """What the quotas lack for that many more pods of each deployment, one line per resource. Read-only."""
    needs = _needs(deployments)
    quotas, _ = api.listing(api.path("", "resourcequotas"))
    return [line for quota in quotas if _applies(quota) for line in _lacking(quota, needs)]


def _lacking(quota: Item, needs: Needs) -> Iterator[str]:
    status = quota.get("status") or {}
    hard, used = status.get("hard") or quota["spec"].get("hard") or {}, status.get("used") or {}
    for name, most in hard.items():
        need = needs.get(name)
        free = _amount(most) - _amount(used.get(name, 0))
        if need and need > free:
            yield (
                f"quota {quota['metadata']['name']}: {name} {used.get(name, 0)} of {most} used,"
                f" {_plain(need)} more needed"
            )


def _applies(quota: Item) -> bool:
    spec = quota["spec"]
    return set(spec.get("scopes") or []) <= EVERY_POD and not spec.get("scopeSelector")


def _needs(deployments: Iterable[tuple[Item, int]]) -> Needs:
    total: Needs = {}
    for deployment, pods in deployments:
        for name, amount in _of_pod(deployment["spec"]["template"]["spec"]).items():
            total[name] = total.get(name, Decimal(0)) + amount * pods
    return total


def _of_pod(spec: Item) -> Needs:
    """What one pod counts for. A missing request equals the limit, as the server's default."""
    needs: Needs = {"pods": Decimal(1), "count/pods": Decimal(1)}
    for kind in ("requests", "limits"):
        own = _sum(spec["containers"], kind)
        first = [_amounts(one, kind) for one in spec.get("initContainers") or []]
        for resource in {*own, *(name for one in first for name in one)}:
            amount = max([own.get(resource, Decimal(0)), *(one.get(resource, Decimal(0)) for one in first)])
            needs[f"{kind}.{resource}"] = amount
            if kind == "requests":
                needs[resource] = amount
    return needs


def _sum(containers: Iterable[Item], kind: str) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for container in containers:
        for resource, amount in _amounts(container, kind).items():
            total[resource] = total.get(resource, Decimal(0)) + amount
    return total


def _amounts(container: Item, kind: str) -> dict[str, Decimal]:
    resources = container.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    chosen = limits if kind == "limits" else {**limits, **requests}
    return {name: _amount(amount) for name, amount in chosen.items()}


def _plain(number: Decimal) -> str:
    """A number as people write it: cores with their fraction, bytes in Mi where they are whole ones."""
    if number >= 2**20 and number % 2**20 == 0:
        return f"{int(number) // 2**20}Mi"
    return f"{number.normalize():f}"


def _amount(quantity: Any) -> Decimal:
    """A quantity as Kubernetes writes it: 500m, 1Gi, 2."""
    return Decimal(parse_quantity(quantity))  # type: ignore[no-untyped-call]
