"""The steps of a plan that concern the database."""
