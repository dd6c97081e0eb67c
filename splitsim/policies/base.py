"""What a policy is."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from splitsim.view import Options, View


class Policy(Protocol):
    """Picks an option for every task of a device.

    A plain class; its keys in a scenario are the parameters of its ``__init__``. One instance
    serves one device, or all of them if the class says ``shared = True``. It may have a method
    ``learn(record)``, called with the Record of every own task that ends; the radio tail is
    not known by then.
    """

    def reset(self, options: Options, rng: np.random.Generator) -> None:
        """Begin a simulation.

        Args:
            options: what can be chosen, with arrays of table means.
            rng: the only randomness to use.

        Raises:
            LookupError: the options lack what the policy needs.
        """

    def choose(self, view: View) -> int:
        """The index of an option for a task created now."""
