"""Notifiers: webhooks through cartctl's HTTP client, and the services that apprise supports."""
