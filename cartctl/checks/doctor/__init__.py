"""`doctor`: what cartctl needs on this machine and from the systems that are configured, each with what to do about it."""
