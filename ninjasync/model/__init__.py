"""The nouns that pass between rooms. Knows values alone: no file, no network, no clock, no environment."""
