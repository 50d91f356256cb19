"""The target database: its catalogue, its migrations, its contract, and dropping what they made."""
