"""Which existing tests are near what candidates touch: by the repository's own layout and imports."""

from __future__ import annotations

import pytest

from environments import Recipe, Task, freeze
from selection.nearby import nearby_tests

FILES = {
    "shop/__init__.py": "from .cart import Cart\n",
    "shop/cart.py": "class Cart:\n    pass\n\n\ndef _hidden():\n    pass\n",
    "shop/money.py": "def rounded(x):\n    return x\n",
    "shop/tests/test_other.py": "def test_it():\n    pass\n",
    "shop/tests/data/test_page.html": "x\n",
    "shop/deep/node.py": "x = 1\n",
    "tests/conftest.py": "import shop.cart\n",
    "tests/test_cart.py": "def test_it():\n    pass\n",
    "tests/test_by_module.py": "import shop.money\n",
    "tests/test_by_name.py": "from shop import Cart, something\n",
    "tests/test_by_package.py": "from shop import money\n",
    "tests/test_elsewhere.py": "from other import Cart\n\n# shop.cart\n",
    "tests/test_broken.py": "import other\nprint 'two'\n",
    "tests/test_odd.py": "from shop.money import (  # all\n    rounded as r,\n)\n",
    "tests/test_deep_things.py": "def test_it():\n    from shop import \\\n        deep\n",
    "shop/tests/test_relative.py": "from ..money import rounded\n",
    "web/basket.js": "export const x = 1\n",
    "web/basket.spec.js": "test()\n",
    "web/basket_slow_test.go": "package web\n",
    "setup.py": "x\n",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("shop")
    for path, text in FILES.items():
        place = folder / "source" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return Task("shop-1", "", freeze(folder / "source", folder / "frozen", at="/workspace/shop"), Recipe())


def near(task: Task, *paths: str, most: int = 20) -> list[str]:
    return [path.removeprefix("tests/") for path in nearby_tests(task, paths, most)[0]]


@pytest.mark.parametrize(
    ("touched", "found"),
    [
        (
            "shop/cart.py",
            ["shop/tests/test_other.py", "shop/tests/test_relative.py", "test_by_name.py", "test_cart.py"],
        ),
        (
            "shop/money.py",
            [
                "shop/tests/test_other.py",
                "shop/tests/test_relative.py",
                "test_by_module.py",
                "test_by_package.py",
            ]
            + ["test_odd.py"],
        ),
        ("web/basket.js", ["web/basket.spec.js", "web/basket_slow_test.go"]),
        ("tests/test_elsewhere.py", ["test_elsewhere.py"]),
        (
            "tests/conftest.py",
            [
                f"test_{x}.py"
                for x in "broken by_module by_name by_package cart deep_things elsewhere odd".split()
            ],
        ),
        ("setup.py", []),
        ("shop/deep/node.py", ["test_deep_things.py"]),
        ("nowhere.py", []),
    ],
)
def test_by_name_by_import_and_by_folder(shop, touched, found):
    assert near(shop, touched) == found


def test_where_nothing_is_near_the_whole_suite_must_say_it(shop):
    assert nearby_tests(shop, ["setup.py"], 9)[1].endswith("the whole suite")


def test_the_nearest_come_first_and_what_is_left_out_is_said(shop):
    files, how = nearby_tests(shop, ["shop/cart.py", "shop/money.py"], 2)
    assert files == ("shop/tests/test_relative.py", "tests/test_cart.py")
    assert how == (
        "2 of 12 test files: 1 called after a touched file, 1 importing a touched module; 5 farther ones left out"
    )


def test_all_candidates_are_told_by_the_same_tests(shop):
    one = nearby_tests(shop, ["shop/cart.py", "web/basket.js"], 9)
    assert one == nearby_tests(shop, ["web/basket.js", "shop/cart.py", "shop/cart.py"], 9)
    assert "tests/test_cart.py" in one[0] and "web/basket.spec.js" in one[0]
