"""What touches the laptop and the network: files, processes, sockets, HTTPS."""
