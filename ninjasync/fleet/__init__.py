"""Many tenants: which, in which order, each in a process of its own, and the table of what became of them.

Knows ``fleet.toml`` and exit codes. What happens to one tenant is the ordinary command
line's business, which is handed in and run unchanged; nothing here reads Duo or NinjaOne.
"""
