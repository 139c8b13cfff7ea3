"""The people of the sandbox, their groups, and what happens to them."""
