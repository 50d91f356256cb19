"""Sign-off: what is approved, who approved or attested it, and whether that counts. Decisions are pure."""
