"""The sandbox as a cluster: its supervisor's control API."""
