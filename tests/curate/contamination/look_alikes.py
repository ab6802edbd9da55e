"""Texts that resemble benchmark items and are none: what a filter must let live."""

import re
from itertools import product

from curate import seeds
from tests.curate.contamination.edits import SEED

NAMES = ["Ava", "Ben", "Cora", "Dmitri", "Elsa", "Farid", "Greta", "Hugo", "Ines", "Jonas", "Kira", "Lars"]
NUMBER_WORDS = ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve", "twenty"]

# Word problems, programming exercises, science questions and everyday goals as school books and forums have them; every one is filled in with
# each of the names and numbers.
WORD_PROBLEMS = [
    "{name} buys {a} notebooks that cost ${b} each and a pen for $2. How much money does {name} spend in total?",
    "There are {a} students in {name}'s class and {b} of them ride the bus. How many students do not ride the bus to school?",
    "{name} runs {a} miles every day of the week. How many miles does {name} run in {b} weeks?",
    "A farmer has {a} rows of corn with {b} plants in each row. If {name} picks half of them, how many plants are left?",
    "{name} has {a} marbles. She gives {b} of them to her brother and then buys twice as many as she has left. How many marbles does she have now?",
    "{name} works {a} hours a day and earns ${b} an hour. How much does {name} make in a five-day week?",
]
EXERCISES = [
    'Write a function to find the {which} element of a given {kind}.\n\ndef {which}_of_{kind}(values):\n    """Return the {which} element."""',
    "Write a python function to check whether the given {kind} is sorted by its {which} item or not.",
    "Write a function to count how often the {which} value occurs in a {kind} of integers.",
    "Write a function to remove the {which} item from a {kind} using a lambda function.",
]
QUESTIONS = [
    "Which of the following best describes the {what} of a {thing}?\nA) It stays the same.\nB) It becomes larger.\nC) It becomes smaller.\nD) It disappears.",
    "A student measures the {what} of a {thing}. Which tool should the student use?\nA) a ruler\nB) a balance\nC) a thermometer\nD) a graduated cylinder",
    "What happens to the {what} of a {thing} when it is heated?",
    "How do you clean a {thing} without changing its {what}?\nUse warm water and a soft cloth.\nUse sandpaper and a wire brush.",
]


def look_alikes() -> list[str]:
    """All templates filled in."""
    texts = []
    for (place, name), template in product(enumerate(NAMES), WORD_PROBLEMS):
        texts.append(template.format(name=name, a=3 * place + 7, b=2 * place + 5))
    for which, kind, template in product(["first", "largest", "rarest", "nth"], ["list", "tuple", "dictionary", "heap"], EXERCISES):
        texts.append(template.format(which=which, kind=kind))
    for what, thing, template in product(["mass", "volume", "colour", "temperature"], ["liquid", "glass beaker", "copper wire", "leaf"], QUESTIONS):
        texts.append(template.format(what=what, thing=thing))
    return texts


def sibling(number: int, question: str) -> str:
    """A question of the same template: every number another, every name inside a sentence another, the same for the same name."""
    generator = seeds.generator(SEED, "siblings", number)
    others = [NAMES[place] for place in generator.permutation(len(NAMES))]
    text = re.sub(r"\d[\d,.]*\d|\d", lambda _: str(generator.integers(2, 998)), question)
    text = re.sub(r"\b(" + "|".join(NUMBER_WORDS) + r")\b", lambda found: _another(int(generator.integers(len(NUMBER_WORDS))), found[0]), text)
    names = dict.fromkeys(re.findall(r"(?<=[a-z,] )[A-Z][a-z]+\b", text))
    for place, name in enumerate(names):
        text = re.sub(rf"\b{name}\b", others[place % len(others)], text)
    return text


def changed_fraction(question: str, other: str) -> float:
    """Share of the words that differ, place by place."""
    words, others = question.split(), other.split()
    return sum(a != b for a, b in zip(words, others, strict=True)) / max(1, len(words))


def _another(draw: int, word: str) -> str:
    chosen = NUMBER_WORDS[draw]
    return chosen if chosen != word else NUMBER_WORDS[(draw + 1) % len(NUMBER_WORDS)]
