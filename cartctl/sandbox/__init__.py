"""The embedded environment: database, supervisor, Prometheus and the reference service on this machine."""
