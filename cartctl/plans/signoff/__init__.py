"""Sign-offs: request, approve, attest, import and list them."""
