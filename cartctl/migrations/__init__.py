"""The cart's migrations: frozen SQL, and the three revisions that execute it as it is."""
