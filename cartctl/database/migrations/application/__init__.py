"""The application's migration files as SQL: what they create, what of it exists, and how they run."""
