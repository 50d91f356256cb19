"""What the application's own files did beside the cart: found in the catalogue, and undone."""
