"""A snapshot restored into a new database, compared, and swapped with the live one."""
