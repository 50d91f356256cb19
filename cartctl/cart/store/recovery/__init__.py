"""Recovery mails (D10): which carts are due for one, and their claims."""
