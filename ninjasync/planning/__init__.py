"""Desired and actual state become a judged plan. Pure: no network, clock, environment or randomness."""
