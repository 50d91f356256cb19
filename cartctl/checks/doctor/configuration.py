"""The configuration as the first part of `doctor`: valid, absent, or wrong, which stops nothing else."""

from cartctl.checks.configuration import judge_configuration
from cartctl.checks.results import failed, warned
from cartctl.config.source import find_source
from cartctl.engine.model import Checks
from cartctl.errors import ConfigError

NAME = "configuration"


def read_configuration(config: str | None, env: str | None) -> Checks:
    """The results of `config check`; a missing file only warns unless `config` or `env` names one. Read-only."""
    try:
        if config is None and env is None and find_source(None) is None:
            hint = "cartctl config init writes one; without it, only this machine is checked."
            return Checks(
                (warned(NAME, "no cartctl.toml in this directory or a parent", "a configuration file", hint),)
            )
        return judge_configuration(config, env)
    except ConfigError as error:
        return Checks((failed(NAME, error.message, "a valid configuration", error.hint),))
