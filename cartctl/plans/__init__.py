"""What cartctl runs, by use case: each plan on one screen, and how runs are executed, selected and shown."""
