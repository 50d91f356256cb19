"""Which shipping zone and rule apply, and what shipping costs."""
