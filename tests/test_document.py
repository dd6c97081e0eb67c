"""Reading YAML: what a scalar is, where everything stands, and how a path changes it."""

from __future__ import annotations

import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from splitsim.errors import BadInput
from splitsim.scenario.document import DEEPEST, Document, dump, listed, scalar


def place(mark: yaml.Mark) -> str:
    return f"f:{mark.line + 1}:{mark.column + 1}"


def read(text: str) -> Document:
    return Document.parse(text, place)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(BadInput) as caught:
        read(text)
    return caught.value.problems


# --- Scalars: YAML 1.2, not 1.1 --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("1e6", 1e6), ("1E-3", 1e-3), (".5", 0.5), ("5.", 5.0), ("+.5e2", 50.0), ("-1.5", -1.5)],
        *[("0", 0), ("-0", 0), ("+7", 7), ("007", 7), ("0x10", 16), ("0o17", 15), ("0b1", "0b1")],
        *[("true", True), ("False", False), ("TRUE", True), ("tRUE", "tRUE")],
        *[("null", None), ("~", None), ("", None), ("none", "none")],
        # What YAML 1.1 takes for a bool, a time of day, a number or a date.
        *[(text, text) for text in ("on", "off", "yes", "no", "y", "12:30", "1_000", "2020-01-01")],
        *[(text, text) for text in ("1,000", "1e", "e5", ".", "+", "1.2.3", "600 s", "infinity")],
        *[(".inf", math.inf), ("-.INF", -math.inf), ("1e400", math.inf), ("9" * 5000, math.inf)],
    ],
)
def test_a_plain_scalar(text, value):
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_a_number():
    assert math.isnan(scalar(".nan"))


@pytest.mark.parametrize("text", ['"1e6"', "'1e6'", "|-\n  1e6", ">-\n  1e6"])
def test_a_quoted_scalar_is_a_text(text):
    assert read(f"key: {text}").data == {"key": "1e6"}


@pytest.mark.parametrize("key", ["on", "5", "~", "true", "1e6"])
def test_a_key_is_a_text(key):
    assert list(read(f"{key}: 1").data) == [key]


TEXTS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["1e6", "on", "~", "", "null", "0x1f", ".inf", "12:30", "yes", "#", "a: b"]),
)
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS, st.just("\x07")
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.dictionaries(TEXTS, st.one_of(VALUES, st.lists(VALUES, max_size=3)), max_size=4))
def test_what_is_dumped_reads_back_as_the_same(data):
    assert read(dump(data)).data == data


# --- Places ----------------------------------------------------------------------------------

SMALL = """\
# a comment
name: small
devices:
  - name: nano
    arrivals: {kind: poisson, rate_hz: 2}
  - name: phone
models: [one, two]
"""


@pytest.mark.parametrize(
    ("path", "where", "dotted"),
    [
        ((), "f:2:1", ""),
        (("name",), "f:2:1", "name"),
        (("devices", 1), "f:6:5", "devices.phone"),
        (("devices", 0, "arrivals", "rate_hz"), "f:5:31", "devices.nano.arrivals.rate_hz"),
        (("devices", 0, "arrivals", "new"), "f:5:5", "devices.nano.arrivals.new"),
        (("models", 1), "f:7:15", "models.1"),
        (("new", "deep"), "f:2:1", "new.deep"),
    ],
)
def test_everything_knows_its_place_or_that_of_what_is_around_it(path, where, dotted):
    document = read(SMALL)
    assert document.where(path) == where
    assert document.dotted(path) == dotted


@pytest.mark.parametrize("name", ["5", "~", '""', "a.b", "[x]"])
def test_a_member_without_a_proper_name_goes_by_its_number(name):
    assert read(f"devices: [{{name: {name}}}]").dotted(("devices", 0, "x")) == "devices.0.x"


def test_a_file_is_read_with_or_without_a_byte_order_mark(tmp_path):
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "f.yaml").write_bytes(start + b"a: 1\r\nb: \xc3\xa4\r\n")
        assert Document.read(tmp_path / "f.yaml").data == {"a": 1, "b": "ä"}


# --- Paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dotted", "path"),
    [
        ("name", ("name",)),
        ("new", ("new",)),
        ("devices.phone", ("devices", 1)),
        ("devices.1.count", ("devices", 1, "count")),
        ("devices.nano.arrivals.rate_hz", ("devices", 0, "arrivals", "rate_hz")),
        ("models.1", ("models", 1)),
    ],
)
def test_a_dotted_path_is_found(dotted, path):
    assert read(SMALL).find(dotted) == path


@pytest.mark.parametrize(
    ("dotted", "why"),
    [
        ("devices.phon", "no member 'phon'; there are nano, phone (did you mean 'phone'?)"),
        ("devices.2", "no member '2'; there are nano, phone"),
        ("devices.-1", "no member '-1'; there are nano, phone"),
        ("devices.²", "no member '²'; there are nano, phone"),
        ("name.x", "name is a plain value, it has no 'x'"),
        ("devics.nano.count", "there is no devics (did you mean 'devices'?); to make it, set devi"),
        ("", "a path is keys joined by dots, such as devices.nano.count"),
        ("devices..count", "a path is keys joined by dots"),
    ],
)
def test_a_path_that_leads_nowhere_is_explained(dotted, why):
    with pytest.raises(LookupError) as caught:
        read(SMALL).find(dotted)
    assert str(caught.value.args[0]).startswith(why)


def test_the_keys_of_a_sweep_are_paths_themselves():
    document = read("sweep: {a.b.c: [1]}")
    assert document.find("sweep.a.b.c") == ("sweep", "a.b.c")


def test_a_name_goes_before_a_number():
    document = read('devices: [{name: "1"}, {name: x}]')
    assert document.find("devices.1") == ("devices", 0)


def test_a_value_is_changed_in_a_copy():
    before = read(SMALL)
    after = before.with_value(("devices", 0, "arrivals"), {"kind": "closed"}, "--set x")
    assert after.data["devices"][0]["arrivals"] == {"kind": "closed"}
    assert after.where(("devices", 0, "arrivals", "kind")) == "--set x"
    assert after.where(("devices", 0, "name")) == "f:4:5"
    assert before.data == read(SMALL).data
    assert before.where(("devices", 0, "arrivals", "kind")) == "f:5:16"


# --- Aliases ---------------------------------------------------------------------------------


def test_an_alias_stands_for_a_value_and_stays_independent_of_it():
    document = read("up: &a {rate: 1, more: [1, 2]}\ndown: *a\n")
    assert document.data["down"] == document.data["up"]
    changed = document.with_value(document.find("down.rate"), 5, "--set").data
    assert (changed["up"]["rate"], changed["down"]["rate"]) == (1, 5)
    assert document.where(("down", "rate")) == "f:2:1"


def test_aliases_of_aliases_do_not_fill_the_memory():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    (problem,) = problems("\n".join(lines))
    assert "more than" in problem
    assert problem.startswith("f:6:")


@pytest.mark.parametrize("text", ["&a [*a]", "a: &b {c: *b}", "a: *b"])
def test_an_alias_must_come_after_its_anchor(text):
    (problem,) = problems(text)
    assert "comes before this alias" in problem


# --- What is no scenario ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2", ["f:2:1: a: duplicate key, first given in line 1; remove one of them"]),
        ("x: {a: 1, b: 2, a: 3}", ["f:1:17: x.a: duplicate key, first given in line 1"]),
        ("l:\n- name: n\n  b: 1\n  b: 2", ["f:4:3: l.n.b: duplicate key, first given in line 3"]),
        ('"a": 1\na: 2', ["f:2:1: a: duplicate key"]),
        ("a: 1\na: 2\nb: 1\nb: 2", ["f:2:1: a: duplicate key", "f:4:1: b: duplicate key"]),
        ("a: 1\na: 2\nb: [", ["f:2:1: a: duplicate key", "f:4:1: is not valid YAML"]),
        ("a: &x {b: 1}\nc: {<<: *x, d: 2}", ["f:2:5: c.<<: merge keys have no use here; write"]),
        ("? [a]\n: 3", ["f:1:3: ['a']: a key must be a plain word"]),
        ("a: !!int 5", ["f:1:4: a: tags such as !!int have no use here; remove it"]),
        ("!!python/object/apply:os.system [x]", ["f:1:1: tags such as !!python/object/apply:os"]),
        ("a: !mine {b: !yours 1}", ["f:1:4: a: tags such as !mine", "f:1:14: a.b: tags such as"]),
        ("a: 1\n---\nb: 2", ["f:2:1: a second document begins; a scenario is one, remove the"]),
        ("a:\n\t- b", ["f:2:1: is not valid YAML: found character that cannot start any token"]),
        ("a: [1,\nb: 2\n", ["f:3:1: is not valid YAML: did not find expected ',' or ']'"]),
        ("a: b: c", ["f:1:5: is not valid YAML: mapping values are not allowed"]),
        ("a: 1\nä: @x", ["f:2:4: is not valid YAML: found character that cannot start any token"]),
        ("a: ä\nb: \x07", ["f:2:4: the control character '\\x07'; remove it"]),
        ("a: \0", ["f:1:4: the control character '\\x00'; remove it"]),
    ],
)
def test_mistakes_are_told_with_their_places(text, expected):
    found = problems(text)
    assert len(found) == len(expected), found
    for problem, start in zip(found, expected, strict=True):
        assert problem.startswith(start)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("a:\n\t- b", "indent with spaces, not with tabs"),
        ("a: @x", "put texts that begin with @ in quotes"),
        ("a: %x", "put texts that begin with % in quotes"),
        ("a: [1", "(while parsing a flow sequence from line 1 on); check the indentation, brack"),
    ],
)
def test_syntax_errors_come_with_a_remedy(text, remedy):
    assert remedy in problems(text)[0]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused_and_overflows_no_stack(opening):
    (problem,) = problems(opening * 100_000)
    assert f"more than {DEEPEST} levels of nesting" in problem


@pytest.mark.parametrize(
    "text", ["", "\n\n", "# only\n# comments\n", "---\n", "--- # nothing\n..."]
)
def test_an_empty_file_is_nothing(text):
    document = read(text)
    assert document.data is None
    assert document.where(()).startswith("f:")


@pytest.mark.parametrize(
    "text", ["--- \na: 1\n...\n", "%YAML 1.2\n---\na: 1\n", "{a: 1}", "\ufeffa: 1"]
)
def test_one_document_may_be_marked_as_such(text):
    assert read(text).data == {"a": 1}


def test_the_bytes_of_a_foreign_encoding_are_found(tmp_path):
    path = tmp_path / "latin.yaml"
    path.write_bytes("# fine\nname: f\xfcr\n".encode("latin-1"))
    with pytest.raises(BadInput, match=r"latin\.yaml:2: is not UTF-8 text; save the file in this"):
        Document.read(path)


def test_a_command_line_may_hold_bytes_that_are_no_text():
    assert "\ufffd" in read("a: \udcff").data["a"]


def test_long_lists_are_cut_short():
    assert listed(["a", "b"]) == "a, b"
    assert listed([]) == "none"
    assert listed(range(10_000)).endswith(", 19 and 9,980 more")
