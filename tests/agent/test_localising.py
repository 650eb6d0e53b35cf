"""From a repository to the lines that an issue is about: trees that fit, outlines, named places, and the levels."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import PatchSettings
from agent.localising import LocalisingSettings, localise
from agent.outline import lines_of, outline, shown_outline
from agent.places import Place, fitting, merged, nearest_path, read_places, shown_place
from agent.structure import folders, named_in, structure
from models import BudgetSpent, Choice, ContextOverflow, Message, Reply, Usage, estimate_tokens

SHOP = '''"""A shop."""

import math
from decimal import (
    Decimal,
)

ROUNDING, STEP = 2, 0.01

try:
    import numpy
except ImportError:

    def mean(values):
        return sum(values) / len(values)


class Cart(dict):
    """What is bought."""

    limit: int = 10

    @property
    def total(self) -> float:
        """The sum."""

        async def inner():
            pass

        return sum(self.values())

    class Line:
        def price(self):
            return 1


def total(cart, *, tax=0.2):
    return cart.total * (1 + tax)
'''


# Trees ----------------------------------------------------------------------------------------------------------------

NAMES = st.text("ab", min_size=1, max_size=2)
PATHS = st.sets(st.lists(NAMES, min_size=1, max_size=4).map("/".join), max_size=60).map(
    lambda paths: sorted(p for p in paths if not any(q.startswith(p + "/") for q in paths))
)


@given(PATHS)
def test_a_tree_with_room_shows_every_path(paths):
    read, stack = [], []
    for line in structure(paths, 100_000).split("\n") if paths else []:
        depth = (len(line) - len(line.lstrip())) // 2
        stack[depth:] = [line.strip()]
        if not line.endswith("/"):
            read.append("".join(stack))
    assert sorted(read) == paths
    assert folders(paths) == {p[: i + 1] for p in paths for i, c in enumerate(p) if c == "/"}


@given(PATHS, st.integers(0, 80))
def test_a_tree_without_room_says_what_is_closed(paths, limit):
    tree = structure(paths, limit)
    shown = sum(not line.endswith((")", "/")) and "..." not in line for line in tree.split("\n") if line)
    closed = sum(
        int(line.rpartition("closed: ")[2].split()[0]) for line in tree.split("\n") if "closed" in line
    )
    cut = sum(int(line.split("and ")[1].split()[0]) for line in tree.split("\n") if "... and" in line)
    assert shown + closed + cut == len(paths)


def test_a_large_tree_fits_and_opens_what_the_issue_names():
    paths = [f"pkg/part{i}/mod{j}.py" for i in range(200) for j in range(50)] + ["pkg/odd/deep/wanted.py"]
    named = named_in("It fails in pkg.odd.deep.wanted, somewhere.", paths)
    assert named == ["pkg/odd/deep/wanted.py"]
    tree = structure(paths, 3_000, named)
    assert (
        estimate_tokens(tree) < 3_300 and "      wanted.py" in tree and "part199/ (closed: 50 files)" in tree
    )
    assert structure(paths, 3_000, below="pkg/part3/").split("\n")[0] == "mod0.py"
    assert structure(paths, 3_000, below="pkg/nowhere/") == ""


# Outlines -------------------------------------------------------------------------------------------------------------


def test_python_is_outlined_by_its_syntax_tree():
    found = outline("shop.py", SHOP)
    names = [entry.name for entry in found.entries]
    assert found.parsed and found.imports == (3, 6)
    assert names == "ROUNDING STEP mean Cart Cart.limit Cart.total Cart.Line Cart.Line.price total".split()
    [method] = found.find("Cart.total")
    assert (
        lines_of(SHOP)[method.start - 1].strip() == "@property" and "def total(self) -> float" in method.head
    )
    assert lines_of(SHOP)[method.stop - 1].strip() == "return sum(self.values())"
    assert [entry.name for entry in found.find("price()")] == ["Cart.Line.price"] and found.find(
        "nothing"
    ) == []
    assert "class Cart(dict)  # What is bought." in shown_outline(found, 50)
    assert "and 7 more, up to line" in shown_outline(found, 2)


@pytest.mark.parametrize(
    "text", ["def broken(:\n    pass\n", "", "\x00", "print 'two'\n\ndef f():\n    pass\n"]
)
def test_what_cannot_be_parsed_is_guessed_and_says_so(text):
    found = outline("a.py", text)
    assert found.parsed is (text == "")
    assert found.parsed or "No syntax tree" in shown_outline(found, 10)


def test_other_languages_are_outlined_by_indentation():
    text = "// A shop\nclass Cart {\n  total() {\n    return 1;\n  }\n\n  tax = 2;\n}\n\n"
    text += "function sum(a) {\n  return a;\n}\n"
    found = outline("cart.js", text)
    assert [(e.head, e.start, e.stop, e.depth) for e in found.entries] == [
        ("class Cart {", 2, 9, 0),
        ("total() {", 3, 9, 1),
        ("function sum(a) {", 10, 12, 0),
    ]
    assert [entry.start for entry in found.find("Cart.total")] == [3] and "No syntax tree" in shown_outline(
        found, 9
    )


@given(st.text("ab \n\f{}:()\r\t#'\"\\"), st.sampled_from(["a.py", "a.go"]))
def test_any_text_has_an_outline_within_its_lines(text, path):
    found = outline(path, text)
    for entry in found.entries:
        assert 1 <= entry.start <= entry.stop <= max(1, found.lines)
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert all(getattr(node, "end_lineno", 0) <= found.lines or "\r" in text for node in tree.body)


# Places ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def outlines():
    return {
        "src/shop.py": outline("src/shop.py", SHOP),
        "src/cart.js": outline("src/cart.js", "var a = 1;\n" * 500),
    }


def test_places_are_read_as_models_write_them(outlines):
    said = [
        "- `src/shop.py: Cart.total`",
        "2. shop.py: function total, ROUNDING",
        "src/cart.js: lines 10 to 12",
        "src/cart.js: 490-900",
        "src/shop.py",
        "",
    ]
    places, problems = read_places(said, outlines)
    last = outlines["src/shop.py"].lines
    assert not problems
    [method] = outlines["src/shop.py"].find("Cart.total")
    assert places[0] == Place("src/shop.py", method.start, method.stop)
    assert places[1:] == [
        Place("src/shop.py", last - 1, last),
        Place("src/shop.py", 8, 8),
        Place("src/cart.js", 10, 12),
        Place("src/cart.js", 490, 500),
        Place("src/shop.py", 1, last),
    ]


@pytest.mark.parametrize(
    "said, reason",
    [
        ("src/other.py: total", "none of the files"),
        ("src/shop.py: Cart.totl", "Did you mean Cart.total"),
        ("src/shop.py: 4000", "no line 4000"),
        ("src/cart.js", "500 lines: say which"),
    ],
)
def test_what_names_no_place_is_said(outlines, said, reason):
    places, [problem] = read_places([said], outlines)
    assert not places and reason in problem


def test_places_are_widened_joined_and_cut_to_fit(outlines):
    texts = {"src/shop.py": SHOP, "src/cart.js": "var a = 1;\n" * 500}
    numbers = (("cart.js", 30, 31), ("shop.py", 2, 3), ("cart.js", 10, 12), ("cart.js", 34, 34))
    places = [Place(f"src/{name}", start, stop) for name, start, stop in numbers]
    joined = merged(places, outlines, 2)
    assert joined == [Place("src/cart.js", 8, 14), Place("src/cart.js", 28, 36), Place("src/shop.py", 1, 5)]
    assert fitting(joined, texts, 10_000) == joined
    cut = fitting(joined, texts, 60)
    assert cut == [Place("src/cart.js", 8, 14), Place("src/cart.js", 28, cut[-1].stop)] and cut[-1].stop < 36
    assert fitting(joined, texts, 0) == []
    heading, text = shown_place(Place("src/shop.py", 3, 4), texts, numbered=True)
    assert heading == f"src/shop.py (lines 3-4 of {len(lines_of(SHOP))})"
    assert text == "     3  import math\n     4  from decimal import (\n"


def test_a_path_is_meant_by_its_ending_where_that_is_one():
    known = ["src/a/cart.py", "src/b/cart.py", "src/b/tax.py"]
    assert nearest_path("`./src/a/cart.py`", known) == "src/a/cart.py"
    assert nearest_path("tax.py", known) == "src/b/tax.py"
    assert nearest_path("cart.py", known) is None and nearest_path("", known) is None


# Levels ---------------------------------------------------------------------------------------------------------------


def block(name, *lines):
    return f"Thus:\n<<<<< {name}\n" + "".join(line + "\n" for line in lines) + ">>>>> END\n"


@pytest.fixture
def find(scripted, make_task):
    """Localise with these replies by branch; (what was found, model, what was told)."""

    async def run(files, definitions, lines, samples=2):
        texts = {"src/shop.py": SHOP, "src/odd/tax.py": "RATE = 0.2\n" * 30, "src/app.js": "go();\n"}
        task = make_task(texts, languages=("python", "javascript"))
        choices = (
            tuple(Choice(Message("assistant", text)) for text in lines) if isinstance(lines, list) else None
        )
        said = {
            "files": files,
            "definitions": definitions,
            "lines": [Reply(choices, Usage()) if choices else lines],
        }
        model, told = scripted(said), []
        settings = LocalisingSettings(around=1)
        found = await localise(model, task, settings, PatchSettings(), samples, told.append)
        return found, model, told

    return run


async def test_level_by_level_to_parts_with_imports(find):
    found, model, told = await find(
        [block("FILES", "shop.py", "src/odd/tax.py", "src/none.py")],
        [block("PLACES", "src/shop.py: Cart.total", "src/odd/tax.py: 3-4")],
        [block("PLACES", "src/shop.py: 32"), block("PLACES", "src/odd/tax.py: 3", "src/shop.py: total")],
    )
    assert not told
    assert [[heading for heading, _ in located.parts] for located in found] == [
        ["src/shop.py (lines 3-6 of 38)", "src/shop.py (lines 31-33 of 38)"],
        [
            "src/odd/tax.py (lines 2-4 of 30)",
            "src/shop.py (lines 3-6 of 38)",
            "src/shop.py (lines 36-38 of 38)",
        ],
    ]
    assert [at for at, _ in model.asked] == ["files", "definitions", "lines"]
    tree, outlines, code = (request.messages[1].content for _, request in model.asked)
    assert "src/\n  odd/\n    tax.py\n" in tree and "async def inner" not in outlines and "Cart" in outlines
    assert "    24      def total(self) -> float:" in code and "def price" not in code
    [lines] = model.at("lines")
    assert lines.n == 2 and lines.temperature == 0.8 and model.at("files")[0].temperature == 0.0
    assert len({request.messages[0] for _, request in model.asked}) == 1 and lines.messages[0].cache


async def test_closed_folders_are_opened_when_asked_for(find):
    found, model, _ = await find(
        [block("OPEN", "src/odd/"), block("FILES", "src/odd/tax.py")],
        [block("PLACES", "src/odd/tax.py: 3-4")],
        [block("PLACES", "src/odd/tax.py: 3")],
        samples=1,
    )
    assert "src/odd/\ntax.py" in model.at("files")[1].messages[-1].content
    assert [located.parts[0][0] for located in found] == ["src/odd/tax.py (lines 2-4 of 30)"]


async def test_what_names_nothing_goes_back_and_then_there_is_a_fallback(find):
    nothing = [block("FILES", "nowhere.py")] * 4
    found, model, told = await find(
        nothing,
        ["no block", block("PLACES", "src/shop.py: nope"), block("PLACES", "src/shop.py: Cart")],
        ["none", block("PLACES", "x")],
    )
    assert "names no file of the tree" in model.at("files")[1].messages[-1].content
    assert "defines no `nope`" in model.at("definitions")[2].messages[-1].content
    assert len(told) == 4 and "files that" not in told[0] and "those that the issue names" in told[0]
    assert len(found) == 1 and found[0].parts[-1][0].startswith("src/shop.py (lines 17-35")


async def test_too_long_a_question_falls_back(find):
    files, definitions = [block("FILES", "src/shop.py")], [block("PLACES", "src/shop.py: Cart")]
    found, _, told = await find(files, definitions, ContextOverflow("too long"))
    assert len(found) == len(told) == 1


async def test_a_spent_budget_is_raised(find):
    with pytest.raises(BudgetSpent):
        await find([BudgetSpent("spent")], [], [])


async def test_a_repository_without_anything_to_look_into(scripted, make_task):
    task = make_task({"empty.py": ""})
    model = scripted({"files": [block("FILES", "empty.py")]})
    [found] = await localise(model, task, LocalisingSettings(), PatchSettings(), 2, print)
    assert found.parts == ()
