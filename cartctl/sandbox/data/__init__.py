"""The sandbox's database and its data: seeded rows and rows by the million."""
