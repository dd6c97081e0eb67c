"""A YAML file whose every value knows its line, with dotted paths to change it.

Scalars follow YAML 1.2: ``1e6`` is a number, ``on`` a string, ``12:30`` too.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from splitsim.errors import BadInput

Path_ = tuple[str | int, ...]

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_QUOTES = ("'", '"', "|", ">")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{sign + inf: float(sign + "inf") for sign in ("", "+", "-") for inf in (".inf", ".Inf")},
}


@dataclass
class Document:
    """Plain data read from YAML, and where each part of it stands.

    Attributes:
        data: dicts, lists and scalars.
        marks: ``file:line:column`` by path, a path being the keys and indices that lead there.
    """

    data: Any
    marks: dict[Path_, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file.

        Raises:
            BadInput: it cannot be read, is no YAML, or repeats a key; all at once.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise BadInput(f"{path}: cannot be read: {reason}") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, name: str) -> Document:
        """Read YAML text; ``name`` stands for the file in messages."""
        try:
            node = yaml.compose(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        except yaml.YAMLError as error:
            raise BadInput(_syntax(error, name)) from error
        builder = _Builder(name)
        data = builder.build(node, ()) if node is not None else None
        if builder.problems:
            raise BadInput(*builder.problems)
        return cls(data, builder.marks)

    def where(self, path: Path_) -> str:
        """Where a part stands, or the deepest part around it that does."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, "scenario")

    def problem(self, path: Path_, what: str) -> str:
        """One line that names place, path and mistake."""
        dotted = self.dotted(path)
        return f"{self.where(path)}: {dotted}: {what}" if dotted else f"{self.where(path)}: {what}"

    def dotted(self, path: Path_) -> str:
        """A path as a person writes it: members of a list by their names."""
        node, words = self.data, []
        for key in path:
            node = node[key] if _has(node, key) else None
            named = isinstance(key, int) and isinstance(node, dict) and "name" in node
            words.append(str(node["name"]) if named and isinstance(node, dict) else str(key))
        return ".".join(words)

    def find(self, dotted: str) -> Path_:
        """The path of a dotted one; its last key, or several, may be new.

        Raises:
            LookupError: a list has no such member, or the way leads through a plain value.
        """
        node: Any = self.data
        path: list[str | int] = []
        for word in dotted.split("."):
            key: str | int = word
            if isinstance(node, list):
                key = _member(node, word)
            elif node is not None and not isinstance(node, dict):
                raise LookupError(f"{self.dotted(tuple(path))!r} is a plain value, not a mapping")
            path.append(key)
            node = node[key] if _has(node, key) else None
        return tuple(path)

    def with_value(self, path: Path_, value: Any, mark: str) -> Document:
        """A copy in which one value is another; mappings on the way are made."""
        data = copy.deepcopy(self.data)
        node = data
        for key in path[:-1]:
            if isinstance(node, dict) and node.get(key) is None:
                node[key] = {}
            node = node[key]
        node[path[-1]] = value
        kept = {at: where for at, where in self.marks.items() if at[: len(path)] != path}
        return Document(data, {**kept, path: mark})


class _Builder:
    """Makes plain data of YAML nodes; notes marks, and keys that are repeated or no strings."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.marks: dict[Path_, str] = {}
        self.problems: list[str] = []

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.marks.setdefault(path, self._mark(node))
        if isinstance(node, yaml.MappingNode):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, n)) for n, item in enumerate(node.value)]
        return scalar(str(node.value), plain=getattr(node, "style", None) not in _QUOTES)

    def _items(self, node: yaml.MappingNode, path: Path_) -> Iterator[tuple[str, Any]]:
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, mark = str(key_node.value), self._mark(key_node)
            dotted = ".".join(map(str, (*path, key)))
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{mark}: {dotted}: a key must be a plain word")
            elif key in lines:
                self.problems.append(
                    f"{mark}: {dotted}: duplicate key, first given in line {lines[key]}; "
                    "remove one of them"
                )
            else:
                lines[key] = key_node.start_mark.line + 1
                self.marks[(*path, key)] = mark
                yield key, self.build(value_node, (*path, key))

    def _mark(self, node: yaml.Node) -> str:
        return f"{self._name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def scalar(text: str, *, plain: bool = True) -> Any:
    """The value of a scalar; a quoted one is always a string."""
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`` (did you mean ...?)`` where a word resembles one that exists, else nothing."""
    close = difflib.get_close_matches(str(word), list(words), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _syntax(error: yaml.YAMLError, name: str) -> str:
    mark = getattr(error, "problem_mark", None)
    place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    what = getattr(error, "problem", None) or str(error).replace("\n", " ")
    return f"{place}: is not valid YAML: {what}"


def _has(node: Any, key: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(key, int) and 0 <= key < len(node)
    return isinstance(node, dict) and key in node


def _member(members: list[Any], word: str) -> int:
    names = [str(m.get("name")) if isinstance(m, dict) else str(n) for n, m in enumerate(members)]
    if word in names:
        return names.index(word)
    if word.isdigit() and int(word) < len(members):
        return int(word)
    raise LookupError(
        f"no member {word!r}; there are {', '.join(names)}{did_you_mean(word, names)}"
    )
