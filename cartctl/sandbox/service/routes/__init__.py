"""The reference service's routes and pages, and who may use them."""
