"""A trace file's text and lines, and the mistakes found in them."""

from __future__ import annotations

from pathlib import Path

from splitsim.errors import BadInput

MAX_PROBLEMS = 10


class Lines:
    """The lines of a trace file, and the mistakes and oddities found in them so far."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.texts = text.removesuffix("\n").split("\n")
        self.warnings: list[str] = []
        self._found: list[tuple[int, str]] = []

    def uncommented(self) -> list[str]:
        """The lines, with nothing left of comments and blanks: each keeps its number."""
        return ["" if text.lstrip()[:1] in {"", "#"} else text for text in self.texts]

    def report(self, line: int, problem: str) -> None:
        """Keep a mistake of a line, counted from 1; 0 stands for the whole file."""
        self._found.append((line, problem))

    def warn(self, line: int, odd: str) -> None:
        """Keep what is odd about a line, but may be meant; 0 stands for the whole file."""
        self.warnings.append(f"{self.name}:{line}: {odd}" if line else f"{self.name}: {odd}")

    def check(self) -> None:
        """Raise BadInput with the first mistakes in the order of lines, if there are any."""
        if not self._found:
            return
        first = [
            f"{self.name}:{line}: {problem}" if line else f"{self.name}: {problem}"
            for line, problem in sorted(self._found)[:MAX_PROBLEMS]
        ]
        more = len(self._found) - MAX_PROBLEMS
        raise BadInput(*first, *([f"{self.name}: ... and {more} more"] if more > 0 else []))


def text_of(name: str) -> str:
    """The text of a file, its lines ended by line feeds; BadInput if it cannot be had."""
    try:
        data = Path(name).read_bytes()
    except FileNotFoundError:
        raise BadInput(f"{name}: no such file; check the path") from None
    except IsADirectoryError:
        raise BadInput(f"{name}: is a folder; name a file in it") from None
    except OSError as error:
        raise BadInput(f"{name}: cannot be read ({error.strerror}); check the file") from None
    if not data.strip():
        raise BadInput(f"{name}: the file is empty; fetch or record it again")
    return _decoded(name, data)


def _decoded(name: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise BadInput(f"{name}: is not a text file; unpack it or save it as UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")
