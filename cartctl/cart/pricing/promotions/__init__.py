"""Which promotions apply, in which order, and what they take off."""
