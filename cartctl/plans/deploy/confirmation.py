"""The prompt before a deployment: the environment, the images and the expected downtime."""

from datetime import timedelta

from cartctl.config.model.environment import Environment
from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.execution.prediction import predict_deployment
from cartctl.ports import Ports


def expected_downtime(ports: Ports) -> str:
    """The downtime of earlier deployments as text, such as "2.1 s (median of 3 deployments)"; empty without any. Read-only."""
    prediction = predict_deployment(ports, (), timedelta())
    seconds = prediction.downtime_seconds
    return f"{seconds:.1f} s ({prediction.downtime_source})" if seconds else ""


def question(env: Environment, options: DeployOptions, downtime: str = "") -> str:
    """One sentence; the run's id is not known yet, since a refused deployment gets none. `downtime` is what is expected."""
    configured = {**env.release.api, **env.release.workers, **env.release.frontend}
    images = {name: _requested(name, options) or image for name, image in configured.items()}
    images |= {name: image for name, image in options.images.items() if not _is_configured(name, configured)}
    released = ", ".join(f"{name} {image}" for name, image in images.items()) or "no images"
    return f"Deploy to {env.name}: {released}; {_downtime(env, downtime)}?"


def _requested(name: str, options: DeployOptions) -> str | None:
    return options.images.get(name) or options.images.get(name.partition(".")[0])


def _is_configured(name: str, configured: dict[str, str]) -> bool:
    return any(known == name or known.partition(".")[0] == name for known in configured)


def _downtime(env: Environment, measured: str) -> str:
    limit = measured or f"below {env.expect.downtime.total_seconds():g} s"
    match env.maintenance:
        case "none":
            return "no downtime expected"
        case "migration":
            return f"downtime during the migration, expected: {limit}"
        case "plan":
            return f"downtime until the verification, expected: {limit}"
