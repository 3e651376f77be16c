"""Speaks to agents: one `Provider` is one live agent child of one session; `registry` knows which agents there are."""
