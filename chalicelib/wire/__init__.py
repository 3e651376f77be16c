"""What is said between daemon, plane and viewers: frames, events, bundle, codec and limits.

This folder is the definition for both sides: the daemon's package carries the same files. It uses the standard library
and msgspec only. Everything here is append-only: a new field goes to the end with a default, a change of meaning is a
new frame, nothing is renamed or reused.
"""
