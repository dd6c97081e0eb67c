"""A YAML file whose every value knows its line, with dotted paths to change it.

Scalars follow YAML 1.2: ``1e6`` is a number, ``on`` a string, ``12:30`` too. Aliases may stand
for values; tags, merge keys and further documents have no use in a scenario and are refused.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from splitsim.errors import BadInput

Path_ = tuple[str | int, ...]
Place = Callable[[yaml.Mark], str]

DEEPEST = 50  # levels of nesting
MOST_VALUES = 1_000_000  # of a file, those that aliases stand for counted each time
LISTED = 20  # names in a message
TOO_MUCH = f"more than {DEEPEST} levels of nesting, or {MOST_VALUES:,} values; is it a scenario?"

_INT = re.compile(r"[-+]?[0-9]{1,300}")
_BASED = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_QUOTES = ("'", '"', "|", ">")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
    **{
        f"{sign}.{i}": float(f"{sign}inf") for sign in ("", "+", "-") for i in ("inf", "Inf", "INF")
    },
}


@dataclass
class Document:
    """Plain data read from YAML, and where each part of it stands.

    Attributes:
        data: dicts, lists and scalars.
        marks: ``file:line:column`` by path, a path being the keys and indices that lead there.
        text: what was read.
    """

    data: Any
    marks: dict[Path_, str] = field(default_factory=dict)
    text: str = ""

    @classmethod
    def read(cls, path: Path) -> Document:
        """Read a file.

        Raises:
            BadInput: it cannot be read, is no YAML, or repeats a key; all at once.
        """
        try:
            data = path.read_bytes()
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {error.strerror}; check the path") from error
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            what = "is not UTF-8 text; save the file in this encoding"
            raise BadInput(f"{path}:{line}: {what}") from error
        return cls.parse(text, lambda mark: f"{path}:{mark.line + 1}:{mark.column + 1}")

    @classmethod
    def parse(cls, text: str, place: Place) -> Document:
        """Read YAML text; ``place`` names the file and the line of a mark in messages."""
        return _Builder(text, place).document()

    def where(self, path: Path_) -> str:
        """Where a part stands, or the deepest part around it that does."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, "scenario")

    def problem(self, path: Path_, what: str) -> str:
        """One line that names place, path and mistake."""
        return _line(self.where(path), self.dotted(path), what)

    def dotted(self, path: Path_) -> str:
        """A path as a person writes it: members of a list by their names."""
        node, words = self.data, []
        for key in path:
            node = node[key] if _has(node, key) else None
            words.append(_name(node) if isinstance(key, int) and _name(node) else str(key))
        return ".".join(words)

    def find(self, dotted: str) -> Path_:
        """The path of a dotted one; its last key may be new.

        Raises:
            LookupError: a part on the way is not there, or is a plain value.
        """
        words = dotted.split(".")
        if not all(words):
            raise LookupError("a path is keys joined by dots, such as devices.nano.count")
        node: Any = self.data
        path: Path_ = ()
        for n, word in enumerate(words):
            rest = ".".join(words[n:])
            if _has(node, rest):  # keys of the sweep have dots themselves
                return (*path, rest)
            path = (*path, self._step(path, node, word, last=rest == word))
            node = node[path[-1]] if _has(node, path[-1]) else None
        return path

    def _step(self, path: Path_, node: Any, word: str, *, last: bool) -> str | int:
        """The key or index that a word of a dotted path means."""
        if isinstance(node, list):
            return _member(node, word)
        if isinstance(node, dict) and (last or word in node):
            return word
        raise LookupError(self._no_way(path, node, word))

    def _no_way(self, path: Path_, node: Any, word: str) -> str:
        if not isinstance(node, dict):
            what = "is empty" if node is None else "is a plain value"
            return f"{self.dotted(path)} {what}, it has no {word!r}"
        whole = ".".join((*map(str, path), word))
        close = did_you_mean(word, node) or f"; there are {listed(node)}"
        return f"there is no {whole}{close}; to make it, set {whole} as a whole"

    def with_value(self, path: Path_, value: Any, mark: str) -> Document:
        """A copy in which one value is another; all of the path but its end must be there."""
        kept = {at: where for at, where in self.marks.items() if at[: len(path)] != path}
        return replace(self, data=_replaced(self.data, path, value), marks={**kept, path: mark})


class _Builder:
    """Makes plain data of YAML events; notes marks, and what does not belong in a scenario.

    Events, not nodes: the composer of libyaml overflows the stack where brackets nest deeply.
    """

    def __init__(self, text: str, place: Place) -> None:
        self._text = text
        self._place = place
        # A command line may hold bytes that are no text.
        known = text.encode(errors="surrogatepass").decode(errors="replace")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[Any] = yaml.parse(known, Loader=loader)
        self._marks: dict[Path_, str] = {}
        self._problems: list[tuple[str, Path_, str]] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Document:
        """All that was read; raises BadInput with everything that is wrong."""
        data, syntax = None, []
        try:
            data = self._document()
        except yaml.YAMLError as error:
            syntax.append(_syntax(error, self._text, self._place))
        document = Document(data, self._marks, self._text)
        wrong = [_line(mark, document.dotted(at), what) for mark, at, what in self._problems]
        if wrong or syntax:
            raise BadInput(*wrong, *syntax)
        return document

    def _document(self) -> Any:
        data, begun = None, False
        start = self._place(next(self._events).start_mark)
        for event in self._events:
            where = self._place(event.start_mark)
            if isinstance(event, yaml.DocumentStartEvent):
                if begun:
                    what = "a second document begins; a scenario is one, remove the '---'"
                    raise BadInput(f"{where}: {what}")
                data, begun = self._value(next(self._events), ()), True
        self._marks.setdefault((), start)
        return data

    def _value(self, event: Any, path: Path_) -> Any:
        self._marks.setdefault(path, self._place(event.start_mark))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        before = self._values
        self._count(event, path, 1)
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._wrong(event, path, f"tags such as {tag} have no use here; remove it")
        value = self._contents(event, path)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._values - before
        return value

    def _contents(self, event: Any, path: Path_) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return dict(self._items(path))
        if isinstance(event, yaml.SequenceStartEvent):
            members = enumerate(iter(self._next, None))
            return [self._value(member, (*path, n)) for n, member in members]
        return scalar(event.value, plain=event.style not in _QUOTES)

    def _items(self, path: Path_) -> Iterator[tuple[str, Any]]:
        lines: dict[str, int] = {}
        for event in iter(self._next, None):
            key = event.value if isinstance(event, yaml.ScalarEvent) else self._value(event, path)
            inside = (*path, str(key))
            problem = _key_problem(key, lines)
            if problem:
                self._wrong(event, inside, problem)
                self._value(next(self._events), inside)
            else:
                lines[key] = event.start_mark.line + 1
                self._marks[inside] = self._place(event.start_mark)
                yield key, self._value(next(self._events), inside)

    def _next(self) -> Any:
        """The next event of a collection; None at its end."""
        event = next(self._events)
        return None if isinstance(event, yaml.CollectionEndEvent) else event

    def _alias(self, event: Any, path: Path_) -> Any:
        if event.anchor not in self._anchors:
            self._wrong(event, path, f"no anchor &{event.anchor} comes before this alias")
            return None
        value, count = self._anchors[event.anchor]
        self._count(event, path, count)
        return value

    def _count(self, event: Any, path: Path_, values: int) -> None:
        self._values += values
        if len(path) > DEEPEST or self._values > MOST_VALUES:
            raise BadInput(f"{self._place(event.start_mark)}: {TOO_MUCH}")

    def _wrong(self, event: Any, path: Path_, what: str) -> None:
        self._problems.append((self._place(event.start_mark), path, what))


def _key_problem(key: Any, lines: dict[str, int]) -> str | None:
    if not isinstance(key, str):
        return "a key must be a plain word"
    if key == "<<":
        return "merge keys have no use here; write the keys out, or use an alias for a whole value"
    if key in lines:
        return f"duplicate key, first given in line {lines[key]}; remove one of them"
    return None


def scalar(text: str, *, plain: bool = True) -> Any:
    """The value of a scalar; a quoted one is always a string."""
    if not plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def dump(data: Any) -> str:
    """YAML text of plain data that reads back as the same."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes all strings that YAML 1.2, unlike PyYAML, takes for something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - every value is written out
        return True

    def represent_text(self, text: str) -> yaml.Node:
        style = "'" if scalar(text) != text else None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _Dumper.represent_text)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`` (did you mean ...?)`` where a word resembles one that exists, else nothing."""
    by_lower = {str(word).lower(): word for word in words}
    close = difflib.get_close_matches(str(word).lower(), list(by_lower), n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""


def listed(names: Iterable[Any]) -> str:
    """Names in a message, the first twenty of them."""
    words = [str(name) for name in names]
    more = f" and {len(words) - LISTED:,} more" if len(words) > LISTED else ""
    return (", ".join(words[:LISTED]) or "none") + more


def _syntax(error: yaml.YAMLError, text: str, place: Place) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        at = text.find(chr(error.character))
        line, column = text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1
        where = place(yaml.Mark("", at, line, column, None, 0))
        return f"{where}: the control character {chr(error.character)!r}; remove it"
    known: Any = error
    if "nesting depth" in (known.problem or ""):  # libyaml looks ahead, and has its own limit
        return f"{place(known.problem_mark)}: {TOO_MUCH}"
    what = f"is not valid YAML: {known.problem}"
    if known.context_mark is not None:
        what += f" ({known.context} from line {known.context_mark.line + 1} on)"
    return f"{place(known.problem_mark)}: {what}{_remedy(text, known.problem_mark)}"


def _remedy(text: str, mark: yaml.Mark) -> str:
    """What to do about a syntax error, told from the character it is found at."""
    line = text.splitlines()[mark.line] if mark.line < len(text.splitlines()) else ""
    found = line[mark.column : mark.column + 1]
    if found == "\t":
        return "; indent with spaces, not with tabs"
    if found and found in "@`%":
        return f"; put texts that begin with {found} in quotes"
    return "; check the indentation, brackets and quotes there and in the line before"


def _line(place: str, dotted: str, what: str) -> str:
    return ": ".join(part for part in (place, dotted, what) if part)


def _has(node: Any, key: str | int) -> bool:
    if isinstance(node, list):
        return isinstance(key, int) and 0 <= key < len(node)
    return isinstance(node, dict) and key in node


def _name(member: Any) -> str:
    """The name of a member of a list, if it has one."""
    name = member.get("name") if isinstance(member, dict) else None
    return name if isinstance(name, str) and "." not in name else ""


def _member(members: Sequence[Any], word: str) -> int:
    places = {str(n): n for n in range(len(members))}
    places |= {_name(members[n]): n for n in reversed(range(len(members))) if _name(members[n])}
    if word in places:
        return places[word]
    names = [_name(member) or str(n) for n, member in enumerate(members)]
    raise LookupError(f"no member {word!r}; there are {listed(names)}{did_you_mean(word, names)}")


def _replaced(node: Any, path: Path_, value: Any) -> Any:
    if not path:
        return value
    key, *rest = path
    changed = copy.copy(node)
    changed[key] = _replaced(node[key] if rest else None, tuple(rest), value)
    return changed
