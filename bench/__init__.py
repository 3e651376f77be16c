"""Measures what Mooring costs and how fast it is: `python -m bench`. Nothing here is deployed."""
