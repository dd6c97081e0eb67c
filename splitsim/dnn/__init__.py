"""Real networks, the only code that knows torch: cut, counted, measured, run over data.

What it finds out reaches the simulator as tables.
"""
