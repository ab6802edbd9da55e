import pytest

from curate.errors import RecipeError
from pipelines.recipe_file import parse, scalar


def test_every_key_knows_its_line() -> None:
    data, lines = parse("name: x\nsources:\n  - name: a\n    paths: [b]\n", "r.yaml")
    assert data == {"name": "x", "sources": [{"name": "a", "paths": ["b"]}]}
    assert lines[("sources", 0, "paths")] == 4


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:3: the key 'seed' stands here twice \(first on line 1\)"):
        parse("seed: 1\nname: x\nseed: 2\n", "r.yaml")


def test_broken_yaml_is_reported_with_its_line() -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:2: not valid YAML"):
        parse("name: x\n  bad: [1, 2\n", "r.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 1e-3),
        ("1.5", 1.5),
        ("3", 3),
        ("null", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("[1, a]", [1, "a"]),
    ],
)
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    assert scalar(text) == value


def test_alias_bombs_depth_bombs_and_tags_are_refused() -> None:
    bomb = "a: &a [x]\n" + "b: [" + ", ".join(["*a"] * 60) + "]\n"
    with pytest.raises(RecipeError, match="aliases"):
        parse(bomb, "r.yaml")
    with pytest.raises(RecipeError, match="deeper"):
        parse("a: " + "[" * 60 + "]" * 60, "r.yaml")
    with pytest.raises(RecipeError, match="not valid YAML"):
        parse("a: !!python/object/apply:os.system [ls]\n", "r.yaml")


def test_a_recipe_that_is_not_a_mapping_is_refused() -> None:
    with pytest.raises(RecipeError, match="mapping"):
        parse("- a\n", "r.yaml")
