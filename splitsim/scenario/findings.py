"""What is wrong or odd about a scenario: lines with their places, each table asked once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from splitsim.errors import BadInput
from splitsim.profiles import Tables
from splitsim.scenario.document import Document, Path_

T = TypeVar("T")

Found = Iterable[tuple[Path_, str]]  # paths in the file, and what is to be said of them


@dataclass
class Findings:
    """Mistakes and warnings pile up, so that all are told at once."""

    document: Document
    tables: Tables
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    _told: set[str] = field(default_factory=set)

    def wrong(self, path: Path_, what: str) -> None:
        """A mistake."""
        self.problems.append(self.document.problem(path, what))

    def all_wrong(self, found: Found) -> None:
        """Mistakes."""
        for path, what in found:
            self.wrong(path, what)

    def odd(self, path: Path_, what: str) -> None:
        """What is allowed, and hardly meant."""
        self.warnings.append(self.document.problem(path, what))

    def ask(self, path: Path_, table: Callable[..., T], *names: Any) -> T | None:
        """A table, or its mistakes blamed on the part of the scenario that asked for it."""
        try:
            return table(*names)
        except BadInput as error:
            problems: Sequence[str] = error.problems
        except OSError as error:
            problems = [f"{'@'.join(map(str, names))!r} cannot be looked up: {error.strerror}"]
        for problem in problems:
            self._table_wrong(path, problem)
        return None

    def _table_wrong(self, path: Path_, problem: str) -> None:
        """A mistake in a file is told once: a student's profile needs its teacher's, too."""
        in_file = problem.startswith(tuple(str(folder) for folder in self.tables.folders))
        if not in_file or problem not in self._told:
            self.wrong(path, problem)
        self._told.add(problem)
