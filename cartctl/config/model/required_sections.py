"""The sections that a command may require, the lines that add each to the file, and the error for a missing one."""

from collections.abc import Iterable

from cartctl.config.key_paths import dotted
from cartctl.errors import ConfigError

LINES = {  # section → its minimal content; a deployment also needs the last two
    "database": ('dsn = { env = "CART_DSN" }  # postgresql://user:password@host/name',),
    "cluster": (
        'kind = "kubernetes"',
        'namespace = "default"  # of the application; context = "…" names another than the current one',
    ),
    "http": ('api = "https://api.example.com"',),
    "release": (
        'api = { "payment-api.api" = "registry.example.com/api:2.0.0" }  # "deployment.container" = image',
    ),
    "metrics": ('kind = "prometheus"', 'url = "https://prometheus.example.com"'),
}


class MissingSection(ConfigError):
    """The command requires sections that the environment does not have; the hint contains the lines to add."""

    code = "missing_section"

    def __init__(
        self, environment: str, missing: Iterable[str], file: str = "the configuration file"
    ) -> None:
        sections = tuple(missing)
        keys = " and ".join(f"[{dotted(('env', environment, name))}]" for name in sections)
        super().__init__(
            f"Environment {environment} lacks {keys}, which this command requires.",
            hint=f"Add to {file}:\n{lines_of(environment, sections)}",
        )


def lines_of(environment: str, sections: Iterable[str]) -> str:
    """The TOML tables that add the sections to an environment, separated by empty lines."""
    tables = ("\n".join((f"[{dotted(('env', environment, name))}]", *LINES[name])) for name in sections)
    return "\n\n".join(tables)
