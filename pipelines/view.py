"""A run seen with a changed recipe: allowed where everything that the changed recipe decides from is measured and indexed already."""

from collections import Counter
from collections.abc import Sequence

from curate.errors import RecipeError
from curate.rules.settings import SETS, RuleSettings
from pipelines.context import Context
from pipelines.engine import pending
from pipelines.parts import parts
from pipelines.recipe import load
from pipelines.rule_columns import check_own_rules
from pipelines.stages import STAGES, cutoffs, select
from pipelines.units import changes as differences

READ_BY_DECIDING = ("rules", "contamination", "dedup.near.min_similarity", "dedup.near.max_bucket", "dedup.near.verify", "dedup.representative")
_NEED = ("gather", "measure", "index")  # must have nothing to do
# Keys that change neither, and why they are not for a view; the first that fits is told.
_REFUSED = {
    "held_out": "the held-out documents are frozen, so that two recipes can be compared by them",
    "dedup.near.threshold": "it chooses bands and rows when an index is made; set dedup.near.min_similarity to move the limit of what counts as near",
    "dedup.rehydrate": "it repeats kept documents and decides about none",
    "dedup.": "what is cut from documents is found in their texts, which a view does not read",
    "": "nothing that decides about documents reads it",
}


def changed_view(context: Context, changes: Sequence[str]) -> Context:
    """The run with a changed recipe. changes: `key=value` strings, as --set takes them.

    Raises RecipeError where the ledger is not that of the run's own recipe, or where a change asks for more than a new decision,
    naming what would have to run.
    """
    if not changes:
        raise RecipeError("there is nothing to change: give --set KEY=VALUE, such as --set rules.gopher_quality.min_words=60")
    require_ledger(context)
    _refuse_variants(context.recipe.rules, changes)
    recipe = load(context.run / "recipe.yaml", changes)
    check_own_rules(recipe)
    view = Context(recipe, context.run, context.journal, context.inputs)
    if due := _due(view):
        if due == _due(context):
            raise RecipeError(f"the run is not up to date with its own recipe: {due}. Run it again, then ask what a change would do")
        raise RecipeError(f"{', '.join(changes)}: this asks for more than a new decision: {due}. Change the recipe and run it")
    for key in changed_keys(context, view):
        if not _is_read(key, view):
            why = next(why for start, why in _REFUSED.items() if key.startswith(start))
            raise RecipeError(f"{key} cannot be changed in a view: {why}. `corpuscle plan` tells what a run with it would do")
    return view


def require_ledger(context: Context) -> None:
    """Raise RecipeError where the run has no ledger, or one that another recipe decided."""
    if "select/ledger" not in context.journal.live:
        raise RecipeError(f"{context.run} has no ledger yet, so there is nothing to compare with; finish it through select")
    for phase in (cutoffs.cutoffs, select.rules, select.ledger):
        try:
            late = pending(context, phase(context))
        except KeyError as error:  # a file that the phase reads is not committed
            raise RecipeError(f"the run is not up to date with its own recipe: {error} is not there; run it again, then ask what a change would do") from error
        if late:
            raise RecipeError(f"the ledger is not that of the run's recipe ({late[0].unit.name}: {late[0].why[0]}); run the recipe again")


def changed_keys(context: Context, view: Context) -> list[str]:
    """The dotted keys whose values differ."""
    return [line.partition(": ")[0] for line in changed_settings(context, view)]


def changed_settings(context: Context, view: Context) -> list[str]:
    """What differs, as `key: old → new`."""
    return differences(context.recipe.model_dump(mode="json"), view.recipe.model_dump(mode="json"))


def rules_in_view(view: Context, known: Context) -> RuleSettings:
    """The changed rules with their cut-offs: those that the run found, and the others found now, in memory."""
    wanted = view.recipe.rules.cutoffs()
    unit = known.journal.live.get(cutoffs.UNIT)
    values = dict(unit.counts["values"]) if unit else {}
    missing = [cutoff for cutoff in wanted if cutoff.name not in values]
    families = {cutoff.column.partition(".")[0] for cutoff in missing}
    files = {family: [view.run / part.measure_file(family) for part in parts(view)] for family in families}
    return view.recipe.rules.with_cutoffs(values | cutoffs.values(files, missing)) if wanted else view.recipe.rules


def _is_read(key: str, view: Context) -> bool:
    if key == "dedup.near":
        return view.recipe.dedup.near is None
    return any(key == start or key.startswith(f"{start}.") for start in READ_BY_DECIDING)


def _due(context: Context) -> str:
    """What the first stage that is not done would have to do, empty where measures and index are all there."""
    for stage in _NEED:
        for phase in STAGES[stage]:
            if due := pending(context, phase(context)):
                kinds = Counter(item.unit.name.rpartition("/")[0] if item.unit.name.count("/") > 1 else item.unit.name for item in due)
                told = ", ".join(f"{kind} ({count} unit{'' if count == 1 else 's'})" for kind, count in kinds.items())
                return f"{stage} would have to run: {told}, because of {due[0].why[0]}"
    return ""


def _refuse_variants(rules: RuleSettings, changes: Sequence[str]) -> None:
    """In a run's recipe every limit is written out, so another variant alone would keep the limits of the first one."""
    for change in changes:
        key, _, value = change.partition("=")
        names = key.split(".")
        if len(names) == 3 and names[0] == "rules" and names[1] in SETS and names[2] == "variant" and getattr(rules, names[1]) is not None:
            raise RecipeError(
                f"--set {change}: a run's recipe has every limit written out, which another variant would not replace;"
                f" give the whole set: --set 'rules.{names[1]}={{variant: {value}}}'"
            )
