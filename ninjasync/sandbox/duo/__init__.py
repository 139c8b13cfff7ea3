"""The sandbox's Duo Admin API, as far as it reads users and groups."""
