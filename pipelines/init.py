"""`corpuscle init`: a folder to start from, made of what the package carries."""

import shutil
from pathlib import Path

from curate.errors import EnvironmentProblem, RecipeError

PACKAGE = Path(__file__).parent
QUICKSTART = PACKAGE / "recipes" / "quickstart.yaml"
SAMPLES = PACKAGE / "samples"


def create(folder: Path) -> None:
    """Write DIR/recipe.yaml (the quickstart, commented) and DIR/archives (the bundled samples).

    Raises RecipeError where DIR is not empty, so that nothing of anybody's is overwritten.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RecipeError(f"{folder} is there already and not an empty folder; `init` overwrites nothing. Name a new one.")
    try:
        shutil.copytree(SAMPLES, folder / "archives")
        recipe = QUICKSTART.read_text(encoding="utf8").replace("root: ../samples", "root: archives")
        (folder / "recipe.yaml").write_text(recipe, encoding="utf8")
    except OSError as error:
        raise EnvironmentProblem(f"{folder} could not be written: {error.strerror}") from error
