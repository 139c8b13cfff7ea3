"""What is remembered between runs: the ledger, its lock, saved plans. Must not know Duo or NinjaOne."""
