"""Responses against an OpenAPI document."""
