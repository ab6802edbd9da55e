"""Every error Corpuscle raises on purpose.

    CorpuscleError
    ├── RecipeError        the recipe or the call is wrong              (command line: exit 2)
    ├── InputError         an input file or folder cannot be used       (exit 1)
    ├── DamageError        a file of a run is not what was written      (exit 1)
    ├── AccountingError    records in and out do not add up: our bug    (exit 1)
    └── EnvironmentProblem no space, no permission, a package missing   (exit 4)

A message says what was found, where, why it matters and what to do. A single bad *record* is never an error: it is
quarantined with a reason and the run goes on.
"""


class CorpuscleError(Exception):
    """The parent of all of them; catch this one to catch any."""


class RecipeError(CorpuscleError):
    """A setting is unknown, missing or out of range."""


class InputError(CorpuscleError):
    """An input file or folder cannot be used at all."""


class DamageError(CorpuscleError):
    """A file that Corpuscle wrote is missing or differs from its recorded checksum."""


class AccountingError(CorpuscleError):
    """Records in and records out do not add up; nothing built on such sums may be trusted."""


class EnvironmentProblem(CorpuscleError):
    """The machine refuses: disk full, no permission, a missing package."""
