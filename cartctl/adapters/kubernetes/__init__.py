"""A Kubernetes namespace as a cluster."""
