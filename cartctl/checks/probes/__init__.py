"""Checks that send requests to the application: health, endpoints, pages."""
