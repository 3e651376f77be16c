"""What is decided: pure functions over plain data. Time arrives as epoch seconds, ids and numbers as arguments."""
