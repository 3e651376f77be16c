"""Answers: what this API gives back, one Struct each.

Agents, sessions and whatever else the Managed Agents API has carry every field that its SDKs require, with what Mooring
adds under ``_oma``. Times are RFC 3339 there; in what is Mooring's own they are epoch seconds.
"""
