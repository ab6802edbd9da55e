"""Strict YAML: the text of a recipe to plain data, with the line of every key.

The safe loader only (no tags, no objects), duplicate keys refused, and bounds on size, depth and aliases, so that a
stranger's recipe is safe to read. Scalars follow YAML 1.2's rules for booleans and floats: `no` and `on` are strings,
and `1e-3` is a number, where YAML 1.1 says the opposite.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from curate.errors import RecipeError

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_ALIASES = 50
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str", "int", "float", "bool", "null"))

Location = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    pass


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float", "tag:yaml.org,2002:timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)|[0-9]+\.[0-9]*|\.inf)$"), list("-+0123456789.")
)


def read(path: Path) -> tuple[dict[str, Any], dict[Location, int]]:
    """A recipe's data and, for each key path, the line it stands on (1 is the first)."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RecipeError(f"{path}: the recipe cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise RecipeError(f"{path}: {len(content)} bytes is more than a recipe can have ({MAX_BYTES}); was a data file named by mistake?")
    try:
        return parse(content.decode(), str(path))
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8 text (byte {error.start}); a recipe is YAML in UTF-8") from error


def parse(text: str, name: str) -> tuple[dict[str, Any], dict[Location, int]]:
    """As `read`, for text that is already in memory; `name` is what errors call it."""
    try:
        if sum(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)) > MAX_ALIASES:
            raise RecipeError(f"{name}: more than {MAX_ALIASES} aliases; write the values out")
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RecipeError(f"{name}:{line}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise RecipeError(f"{name}: not valid YAML: {error}") from error
    if not isinstance(node, yaml.MappingNode):
        raise RecipeError(f"{name}:1: a recipe is a mapping of keys to settings; see `corpuscle schema`")
    lines: dict[Location, int] = {(): 1}
    return _build(loader, node, (), lines, name), lines


def scalar(text: str) -> Any:
    """The value of one `--set key=value`, read as YAML."""
    loader = _Loader(text)
    node = loader.get_single_node()
    return None if node is None else _build(loader, node, (), {}, "--set")


def _build(loader: _Loader, node: yaml.Node, at: Location, lines: dict[Location, int], name: str) -> Any:
    if len(at) > MAX_DEPTH:
        raise RecipeError(f"{name}:{node.start_mark.line + 1}: nested deeper than {MAX_DEPTH} levels")
    if node.tag not in PLAIN_TAGS:
        raise RecipeError(f"{name}:{node.start_mark.line + 1}: not valid YAML for a recipe: the tag {node.tag!r} makes objects, and a recipe is data only")
    if isinstance(node, yaml.MappingNode):
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode):
                raise RecipeError(f"{name}:{line}: a key must be a plain word")
            if key in result:
                raise RecipeError(f"{name}:{line}: the key {key!r} stands here twice (first on line {lines[(*at, key)]}); one of them would be ignored")
            lines[(*at, key)] = line
            result[key] = _build(loader, value_node, (*at, key), lines, name)
        return result
    if isinstance(node, yaml.SequenceNode):
        for index, child in enumerate(node.value):
            lines[(*at, index)] = child.start_mark.line + 1
        return [_build(loader, child, (*at, index), lines, name) for index, child in enumerate(node.value)]
    return loader.construct_object(node)
