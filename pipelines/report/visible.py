"""Make characters visible that steer a terminal or turn text around, before any of it is shown to a person."""

import re
from typing import Any

from markupsafe import Markup

# C0 and C1 controls (ESC and CSI begin terminal sequences), soft hyphen and zero-width characters, bidirectional marks,
# embeddings, overrides and isolates (Unicode Standard Annex 9), line and paragraph separators, interlinear and tag
# characters, lone surrogates. ZWNJ and ZWJ stay: Persian, Indic scripts and emoji are spelled with them.
_STEERING = re.compile("[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]")


def visible(text: str, *, keep: str = "") -> str:
    """`text` with every steering character, except those in `keep`, written out as ⟨U+202E⟩."""
    return _STEERING.sub(lambda match: match[0] if match[0] in keep else f"⟨U+{ord(match[0]):04X}⟩", text)


def finalize(value: Any) -> Any:
    """What a Jinja environment does to every value it prints: markup of ours passes, all else becomes visible text."""
    return value if isinstance(value, Markup) else visible(str(value))
