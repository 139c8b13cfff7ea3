"""The Duo Admin API, as far as it reads users and groups.

Endpoints and pages are in ``api``; ``signature`` verifies who sent a request. Both follow Duo's documentation.
"""
