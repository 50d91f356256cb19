"""What a deployment is watched by: thresholds, triggers, probes and the logs' errors."""
