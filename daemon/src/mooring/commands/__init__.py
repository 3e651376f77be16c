"""The verbs of ``moor``, one file each. A verb returns a ``Result`` and prints nothing; ``cli`` does."""
