"""Completion of command lines in bash, zsh and fish: from the app itself and from local files, never from a network."""
