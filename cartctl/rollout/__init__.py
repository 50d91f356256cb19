"""The staged release by company as rules: flags, allocation, stages and gates. Pure."""
