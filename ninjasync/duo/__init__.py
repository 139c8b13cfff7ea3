"""The source: reads users and groups from the Duo Admin API, and proves that it read all of them. Cannot write."""
