"""What is decided on the laptop: the link, a turn's transcript, when its text is voiced. No socket, clock or file."""
