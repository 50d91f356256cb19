"""The staged release by company: its status, its decisions and its runs."""
