"""The target database: its catalogue and contract, the migrations, and dropping the cart's tables."""
