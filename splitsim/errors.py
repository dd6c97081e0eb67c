"""Bad input: every mistake found, one line each, naming the place, the value and the remedy."""

from __future__ import annotations


class BadInput(ValueError):
    """What a user handed in cannot be used.

    Args:
        problems: one line per mistake, ``file:line:column: path: what is wrong; remedy``.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, ...]]:
        return type(self), self.problems
