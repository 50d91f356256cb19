"""Notifiers: webhooks by our own HTTP client, and the services that apprise knows."""
