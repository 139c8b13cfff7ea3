"""One user's case, explained from a plan: why in or out of scope, how each attribute came about, what would happen.

Knows a plan and what it was made from. Must not read Duo or NinjaOne by itself.
"""
