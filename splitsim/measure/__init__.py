"""Measuring this machine, and having what others measured.

``open_meter`` opens an energy sensor by name, ``consumption`` measures what a piece of work takes
above the idle machine. ``link`` measures the link to another machine; ``datasets`` and ``fetch``
get public traces. Nothing of the simulator imports this package.
"""

from splitsim.measure.consumption import Consumption, consumption
from splitsim.measure.meter import Meter
from splitsim.measure.power import open_meter

__all__ = ["Consumption", "Meter", "consumption", "open_meter"]
