"""A summary in which every string that could come from an archive or a recipe tries to break out of its place."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

MARK = "OWNED"
ATTACK = (
    "<script>document.title='OWNED'</script>\"><img src=x onerror=document.title='OWNED'></style></title></textarea>--><svg onload=document.title='OWNED'>"
    "<a href=javascript:alert(1)>' onmouseover='x' {{ 7*7 }} {% raw %} | `tick` **bold** [link](javascript:alert(1)) [bold red]rich[/] "
    "\u202egpj.exe\u2069\u200b\x1b]0;OWNED\x07\x1b[31m\x9b2J\x00\r\n---\nlicense: mit\n# heading\n- item \ud800 end"
)
_FIXED = {"status", "severity"}  # words of ours, a closed set


def hostile(value: Any, attack: str = ATTACK) -> Any:
    """`value` with `attack` behind every string in it, keys of tables included."""
    if isinstance(value, str):
        return value + attack
    if isinstance(value, Mapping):
        return {hostile(key, attack): hostile(inner, attack) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(hostile(inner, attack) for inner in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{field.name: hostile(getattr(value, field.name), attack) for field in fields(value) if field.name not in _FIXED})
    return value
