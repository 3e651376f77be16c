"""The loops of the running daemon, and what it does with each frame."""
