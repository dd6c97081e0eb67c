"""Disciplines of servers: who is served when, and how fast."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from splitsim.system.disciplines.batching import BatchingDiscipline
from splitsim.system.disciplines.ordered import (
    EdfDiscipline,
    FifoDiscipline,
    PriorityDiscipline,
)
from splitsim.system.disciplines.sharing import SharingDiscipline

Discipline = Annotated[
    FifoDiscipline | SharingDiscipline | BatchingDiscipline | EdfDiscipline | PriorityDiscipline,
    Field(discriminator="kind"),
]
