"""The pages of shoppers: products, cart, checkout, funnel and recovery links."""
