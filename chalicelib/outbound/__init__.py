"""Whom we call: the connections' gateway, and the system's clock and chance."""
