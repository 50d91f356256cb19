"""What every request to the reference service passes."""
