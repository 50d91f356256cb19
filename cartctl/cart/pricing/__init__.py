"""What a cart costs: promotions, shipping, tax and totals. Pure."""
