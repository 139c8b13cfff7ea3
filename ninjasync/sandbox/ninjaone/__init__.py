"""NinjaOne: what it stores, SCIM over it, and its public API.

``store`` has the accounts, groups and NinjaOne's own rules. ``api`` is the SCIM protocol, with ``schema``, ``body``,
``filter``, ``match``, ``patch`` and ``error``; ``public_api`` is the other way in, which only reads.
"""
