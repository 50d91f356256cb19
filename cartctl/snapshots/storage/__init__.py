"""Where snapshots are: local and remote stores, their files, marks, encryption and retention."""
