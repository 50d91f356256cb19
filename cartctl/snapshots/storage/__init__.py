"""Storage of snapshots: local and remote stores, their files, marks, encryption and retention."""
