"""A run's report as one HTML page that loads nothing from elsewhere: template, timeline, charts and destination."""
