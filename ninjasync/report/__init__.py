"""Plans and their outcomes as text for people and as JSON for programs.

Every renderer is a function that returns text; nothing here prints.
"""
