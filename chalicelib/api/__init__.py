"""Who knocks: one Chalice blueprint per surface. A view is principal, parse, one call, render."""
