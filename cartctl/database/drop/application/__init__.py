"""Changes that the application's own files made outside the cart: read from the catalogue, and reverted."""
