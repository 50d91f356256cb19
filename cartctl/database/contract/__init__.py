"""What a cart database must have, and a catalogue checked against it."""
