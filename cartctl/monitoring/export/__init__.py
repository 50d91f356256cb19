"""`monitor export`: thresholds and triggers as rules of Prometheus, with their tests, and as a Grafana dashboard."""
