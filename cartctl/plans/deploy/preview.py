"""The plan of a deployment as it would run now, with what it is expected to take. Read-only."""

from dataclasses import replace

from cartctl.plans.deploy.deploy_options import DeployOptions
from cartctl.plans.deploy.run import planned, refuse_unknown
from cartctl.plans.execution.prediction import predict_deployment
from cartctl.plans.execution.preview import Plan, preview
from cartctl.plans.execution.run_monitor import new_watch
from cartctl.ports import Ports


def preview_deployment(ports: Ports, options: DeployOptions) -> Plan:
    """Each step with its present values, and the prediction. Raises UsageError for options that name nothing."""
    refuse_unknown(ports, options)
    phases = planned(ports, options, new_watch(ports))
    shown = preview("deploy", ports.env.name, phases)
    monitored = options.monitor_for or ports.env.monitor.for_
    return replace(shown, prediction=predict_deployment(ports, phases, monitored))
