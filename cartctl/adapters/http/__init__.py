"""The one HTTP client, and response bodies within bounds."""
