"""What a restore would lose: the whole database compared with its state at the snapshot."""
