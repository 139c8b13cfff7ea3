"""One file a command: what it takes, and which room it asks. The rest of ``cli`` is what they share."""
