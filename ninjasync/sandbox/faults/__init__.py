"""What goes wrong: faults of the network, and quirks of servers."""
