"""The pages of a company's admins: carts, abandoned carts, insights."""
