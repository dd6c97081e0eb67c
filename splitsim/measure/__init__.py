"""Measuring this machine: the energy it takes, by whatever sensor it has.

``open_meter`` opens a sensor by name, ``consumption`` measures what a piece of work takes above
the idle machine. Nothing of the simulator imports this package.
"""

from splitsim.measure.consumption import Consumption, consumption
from splitsim.measure.meter import Meter
from splitsim.measure.power import open_meter

__all__ = ["Consumption", "Meter", "consumption", "open_meter"]
