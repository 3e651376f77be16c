"""What happens: the objects' loop, and those who act through it."""
