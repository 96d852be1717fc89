"""What is to be done, and why: pure functions from snapshots and events to plans, next states and effects.

No clock, no input, no output: the world comes in as a value (`Observed`, an event), what follows goes out as one.
"""
