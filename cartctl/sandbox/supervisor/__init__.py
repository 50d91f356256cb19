"""Does for local processes what Kubernetes does for pods: keeps the running ones equal to the spec."""
