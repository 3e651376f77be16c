"""Browser: the plane's pages in a real one, Debian's chromium."""
