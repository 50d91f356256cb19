"""The contract: what a cart database must have, and the check of a catalogue against it."""
