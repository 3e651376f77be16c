"""Who stays: the ASGI app for what is long. It answers from the same actors as the Chalice surfaces."""
