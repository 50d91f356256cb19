"""Everything that a shop does with carts, as one class: `CartService`. Every call is one transaction of one company."""
