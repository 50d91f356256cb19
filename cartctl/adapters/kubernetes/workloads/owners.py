"""Which other tool manages a deployment and would silently revert what a release changes. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Item = Mapping[str, Any]
ARGO_MANAGERS = frozenset({"argocd-controller", "argocd-application-controller"})
FLUX, FLUX_HELM = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"
FORCE = "then run again with --force-owned"


def find_owner(deployment: Item, autoscalers: Iterable[Item]) -> tuple[str, str] | None:
    """The tool that manages a deployment, and the command that pauses it; None if there is none."""
    meta = deployment["metadata"]
    labels, annotations = meta.get("labels") or {}, meta.get("annotations") or {}
    return (
        _argo(meta, labels, annotations)
        or _flux(labels, annotations)
        or _helm(meta, labels, annotations)
        or _keda(meta["name"], meta["namespace"], autoscalers)
    )


def scales(autoscaler: Item, deployment: str) -> bool:
    """Whether an autoscaler decides the size of a deployment."""
    target = autoscaler["spec"]["scaleTargetRef"]
    return (target["kind"], target["name"]) == ("Deployment", deployment)


def _argo(meta: Item, labels: Item, annotations: Item) -> tuple[str, str] | None:
    tracked = str(annotations.get("argocd.argoproj.io/tracking-id", "")).partition(":")[0]
    name = tracked or labels.get("argocd.argoproj.io/instance", "")
    managers = {one.get("manager") for one in meta.get("managedFields") or []}
    if not name and ARGO_MANAGERS.isdisjoint(managers):
        return None
    name = name or labels.get("app.kubernetes.io/instance", "APPLICATION")
    return f"Argo CD ({name})", f"argocd app set {name} --sync-policy none, {FORCE}"


def _flux(labels: Item, annotations: Item) -> tuple[str, str] | None:
    if annotations.get(f"{FLUX}/reconcile") == "disabled":
        return None
    for group, kind in ((FLUX, "kustomization"), (FLUX_HELM, "helmrelease")):
        if name := labels.get(f"{group}/name"):
            namespace = labels.get(f"{group}/namespace", "flux-system")
            return f"Flux ({kind} {name})", f"flux suspend {kind} {name} -n {namespace}, {FORCE}"
    return None


def _helm(meta: Item, labels: Item, annotations: Item) -> tuple[str, str] | None:
    release = annotations.get("meta.helm.sh/release-name")
    if not release and labels.get("app.kubernetes.io/managed-by") != "Helm":
        return None
    name = release or labels.get("app.kubernetes.io/instance", "RELEASE")
    namespace = annotations.get("meta.helm.sh/release-namespace", meta["namespace"])
    return (
        f"Helm ({name})",
        f"helm history {name} -n {namespace}: make sure that no upgrade runs in the meantime, {FORCE}",
    )


def _keda(deployment: str, namespace: str, autoscalers: Iterable[Item]) -> tuple[str, str] | None:
    for one in autoscalers:
        name = (one["metadata"].get("labels") or {}).get("scaledobject.keda.sh/name")
        if name and scales(one, deployment):
            pause = f"kubectl annotate -n {namespace} scaledobject {name} autoscaling.keda.sh/paused=true"
            return f"KEDA (scaledobject {name})", f"{pause}, {FORCE}"
    return None
