"""Checkpoints: all that a training needs to go on as if it had never stopped.

What is drawn follows from seed, stage and epoch, and rates from the epoch, so that neither
generators nor schedules have anything to keep. Files hold numbers and texts only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from splitsim.dnn.tables import write
from splitsim.dnn.training.recipe import differences
from splitsim.dnn.training.state import Epoch, State, history_csv
from splitsim.errors import BadInput
from splitsim.parts import whole

SHOWN = 3  # differences in a message


class Saved(NamedTuple):
    """What a checkpoint has."""

    state: State
    model: Mapping[str, Any]
    optimiser: Mapping[str, Any]
    scaler: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A file that is written after every epoch, whole or not at all.

    Attributes:
        path: where it is.
        identity: what the training is of: recipe, seed, first weights.
    """

    path: Path
    identity: Mapping[str, Any]

    def write(self, saved: Saved) -> None:
        """Replace what was kept before; a table of the epochs lies beside it."""
        state = saved.state
        content = {
            "identity": json.dumps(self.identity),
            "stage": state.stage,
            "epoch": state.epoch,
            "history": [astuple(row) for row in state.history],
            "best": state.best,
            "best_weights": state.best_weights,
            "waited": state.waited,
            **{key: getattr(saved, key) for key in ("model", "optimiser", "scaler")},
        }
        with whole(self.path) as partial:
            torch.save(content, partial)
        write(self.path.parent, {"history.csv": history_csv(state.history)})

    def read(self, module: nn.Module) -> Saved | None:
        """What was kept; None if there is no such file.

        Raises:
            BadInput: it is damaged, or of another recipe or network.
        """
        if not self.path.is_file():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            saved, identity = _saved(content), json.loads(content["identity"])
        except Exception as error:
            what = "is no checkpoint of ours, or is damaged; remove it, or give another --out"
            raise BadInput(f"{self.path}: {what}") from error
        self._check(identity, saved, module)
        return saved

    def _check(self, identity: Mapping[str, Any], saved: Saved, module: nn.Module) -> None:
        recipe = _first(differences(identity, dict(self.identity)))
        if recipe:
            what = f"is of another recipe ({recipe})"
            raise BadInput(f"{self.path}: {what}; give that one, or another --out")
        parts = _first(differences(_shapes(saved.model), _shapes(module.state_dict())))
        if parts:
            what = f"is of another network ({parts})"
            raise BadInput(f"{self.path}: {what}; give another --out")


def _saved(content: Mapping[str, Any]) -> Saved:
    plain = {key: content[key] for key in ("stage", "epoch", "best", "best_weights", "waited")}
    state = State(**plain, history=[Epoch(*row) for row in content["history"]])
    return Saved(state, content["model"], content["optimiser"], content["scaler"])


def _first(found: Any) -> str:
    return "; ".join(islice(found, SHOWN))


def _shapes(state: Mapping[str, Any]) -> dict[str, str]:
    return {name: "x".join(map(str, tensor.shape)) for name, tensor in state.items()}
