"""Abuse: every route, asked by everybody who should not, with everything that it should not take."""
