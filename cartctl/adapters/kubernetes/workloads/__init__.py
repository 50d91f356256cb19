"""Deployments, pods and quotas: read, judged and changed."""
