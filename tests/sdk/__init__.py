"""The official Python SDK, unmodified, in its newest version and in an old one, each in an environment of its own.

Two versions of one package can't share an environment, so `driver.py` runs in each as a process, and knows nothing of
this repository. ``newest.in`` and ``oldest.in`` say which versions; `make lock` renews the locks beside them.
"""
