"""Monitoring of a deployment: thresholds, triggers, probes and errors in the logs."""
