"""Requests: what the bodies and queries of this API may say, one Struct each, and what they ask of the actors.

Fields of the Managed Agents API that Mooring can't honour yet are refused when they carry something: ignoring them
would be a lie. Other fields that are not known are ignored, as newer SDKs send some.
"""
