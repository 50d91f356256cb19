"""Which API server, and as whom: kubeconfig and contexts, or the service account of the pod that cartctl runs in.

Only the official client's configuration and connection pool are used: objects stay JSON, so that a field that a newer or older
server has or lacks breaks nothing.
"""

import os
from pathlib import Path
from typing import Any

import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import (
    ConfigException,
    list_kube_config_contexts,
    load_incluster_config,
    load_kube_config,
)
from yaml import YAMLError

from cartctl.errors import ConfigError
from cartctl.redaction import register

IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
UNREADABLE = (ConfigException, YAMLError, OSError, ValueError, KeyError, TypeError, AttributeError)


class Access:
    """Access to one API server: its address, a connection pool and the authentication headers.

    Raises ConfigError for a kubeconfig or context that does not exist or cannot be read.
    """

    def __init__(self, context: str | None) -> None:
        self._context = context
        self._load()

    def _load(self) -> None:
        self._configuration = _configuration(self._context)
        self._configuration.retries = False  # ours are counted in one place, and no redirect is followed
        self._configuration.keep_alive = True  # a silent connection is noticed by the kernel
        self._configuration.connection_pool_maxsize = 8
        self._rest = RESTClientObject(self._configuration)

    @property
    def host(self) -> str:
        """The API server's address."""
        return str(self._configuration.host).rstrip("/")

    @property
    def pool(self) -> urllib3.PoolManager:
        """Connections, with the certificates of the configuration."""
        pool: urllib3.PoolManager = self._rest.pool_manager
        return pool

    @property
    def verified(self) -> bool:
        """Whether the server's certificate is checked."""
        return bool(self._configuration.verify_ssl)

    def headers(self) -> dict[str, str]:
        """The headers that authenticate a request; a short-lived token is renewed when it expires."""
        settings: dict[str, Any] = self._configuration.auth_settings()
        headers = {str(each["key"]): str(each["value"]) for each in settings.values() if each["value"]}
        for value in headers.values():
            register(value.partition(" ")[2] or value)  # without Bearer or Basic
        return headers

    def renew(self) -> None:
        """Read the credentials again, after the server has rejected them. Raises ConfigError."""
        old = self._rest
        self._load()
        old.pool_manager.clear()

    def close(self) -> None:
        """Close every connection."""
        self._rest.pool_manager.clear()


def _configuration(context: str | None) -> Any:
    configuration = Configuration()
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    there = any(Path(one).expanduser().exists() for one in files.split(os.pathsep) if one)
    if not there and (context is not None or IN_CLUSTER not in os.environ):
        raise ConfigError(
            f"No kubeconfig found at {files}.",
            hint="Set KUBECONFIG, or run cartctl in the cluster under a service account.",
        )
    try:
        if there:
            load_kube_config(  # type: ignore[no-untyped-call]
                config_file=files, context=context, client_configuration=configuration
            )
        else:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except UNREADABLE as wrong:
        raise _unreadable(files, context, there=there, wrong=wrong) from wrong
    return configuration


def _unreadable(files: str, context: str | None, *, there: bool, wrong: Exception) -> ConfigError:
    if not there:
        return ConfigError(
            f"The service account of this pod cannot be read: {wrong}.",
            hint="Set the pod's serviceAccountName, and mount its token.",
        )
    try:
        contexts, _ = list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
        known = [str(context_entry["name"]) for context_entry in contexts]
    except UNREADABLE:
        return ConfigError(
            f"The kubeconfig {files} cannot be read: {wrong}.", hint="See: kubectl config view"
        )
    if context is not None and context not in known:
        there_are = ", ".join(known) or "none"
        return ConfigError(
            f"The kubeconfig {files} has no context {context}.", hint=f"Available contexts: {there_are}."
        )
    return ConfigError(f"The kubeconfig {files} cannot be used: {wrong}.", hint="See: kubectl cluster-info")
