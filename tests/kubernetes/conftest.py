"""A namespace for every test of this folder."""

from tests.kubernetes.fixture import kubeconfig, namespace, node, plane, played, small

__all__ = ["kubeconfig", "namespace", "node", "plane", "played", "small"]
