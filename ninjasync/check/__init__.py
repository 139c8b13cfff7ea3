"""Is everything in place? A line for each thing, with the cure; and ``--probe``, which tries writing.

Knows what to look at and what is good or bad about it. Must not change anything but what a probe made itself.
"""
