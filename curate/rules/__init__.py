"""Rules: tables of (measure, comparison, limit, source), and the verdicts they give over measure columns.

`RuleSettings` (settings.py) is what a recipe says; `judge`, `outcomes`, `explain` and `families` (verdicts.py) apply it. They are
imported on first use, so that reading a recipe does not load polars.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from curate.rules.settings import RuleSettings as RuleSettings
    from curate.rules.verdicts import Verdict as Verdict
    from curate.rules.verdicts import explain as explain
    from curate.rules.verdicts import families as families
    from curate.rules.verdicts import judge as judge
    from curate.rules.verdicts import outcomes as outcomes

_HOMES = {"RuleSettings": "settings", "Verdict": "verdicts", "explain": "verdicts", "families": "verdicts", "judge": "verdicts", "outcomes": "verdicts"}
__all__ = ["RuleSettings", "Verdict", "explain", "families", "judge", "outcomes"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"curate.rules.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'curate.rules' has no attribute {name!r}")
