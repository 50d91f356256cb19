"""Deployments, pods and quotas: reading, evaluating and changing them."""
