"""What a snapshot records of itself and of the database; parsed as untrusted input."""
