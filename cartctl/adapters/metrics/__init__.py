"""Sources of measurements: Prometheus, scraping, the database's connections."""
