"""Language identification on article 1 of the Universal Declaration of Human Rights (public domain)."""

import hashlib
import subprocess
import sys

import pyarrow as pa
import pytest

from curate.documents import as_text
from curate.measures import language
from curate.rules.languages import CODES

ARTICLE_1 = {
    "en": "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience and should act towards one another.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de raison et de conscience.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y conciencia.",
    "ru": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью.",
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "ja": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。",
    "ar": "يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق. وقد وهبوا عقلاً وضميرًا.",
    "hi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है ।",
    "th": "มนุษย์ทั้งปวงเกิดมามีอิสระและเสมอภาคกันในศักดิ์ศรีและสิทธิ",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "ko": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "fi": "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan.",
}


def measured(texts: list[str], **settings: int) -> pa.Table:
    return language.measure(as_text(texts), language.Settings(**settings))


def test_recognises_article_1_in_fourteen_languages() -> None:
    table = measured(list(ARTICLE_1.values()))
    assert table.schema == language.SCHEMA
    assert table["language"].to_pylist() == list(ARTICLE_1)
    assert all(0.6 < score <= 1 for score in table["language_score"].to_pylist())


@pytest.mark.parametrize("text", ["", " \n\t", "12345", "😀😀", "\x00"])
def test_a_text_the_model_knows_nothing_of_is_undetermined(text: str) -> None:
    assert measured([text]).to_pylist() == [{"language": "und", "language_score": 0.0}]


def test_newlines_do_not_end_the_text_that_is_looked_at() -> None:
    lines = ARTICLE_1["de"].replace(" ", "\n")
    assert measured([lines]).equals(measured([ARTICLE_1["de"]]))
    assert measured(["\n" + ARTICLE_1["de"]])["language"].to_pylist() == ["de"]


def test_only_the_first_characters_are_looked_at() -> None:
    text = ARTICLE_1["ru"] + " " + ARTICLE_1["en"] * 20
    assert measured([text], max_characters=len(ARTICLE_1["ru"]))["language"].to_pylist() == ["ru"]
    assert measured([text], max_characters=len(ARTICLE_1["ru"])).equals(measured([ARTICLE_1["ru"]]))
    assert measured([text[:1000] + ARTICLE_1["ja"] * 50]).equals(measured([text[:1000]]))


def test_a_score_never_exceeds_one() -> None:
    table = measured([ARTICLE_1["ja"] * 3, "ქართული ენა არის ქართველების მშობლიური ენა", "ภาษาไทย" * 30])
    assert max(table["language_score"].to_pylist()) == 1.0


def test_a_slice_of_a_column_is_measured_like_its_own_column() -> None:
    texts = as_text(list(ARTICLE_1.values()))
    assert language.measure(texts.slice(3, 2), language.Settings())["language"].to_pylist() == ["es", "ru"]
    assert language.measure(texts.slice(0, 0), language.Settings()).schema == language.SCHEMA


def test_the_codes_rules_may_name_are_the_model_s() -> None:
    assert sorted([*language.load_model().labels, "und"]) == sorted(CODES)


def test_the_model_is_the_one_its_notice_names() -> None:
    notice = (language.MODEL.parent / "NOTICE").read_text("utf-8")
    assert hashlib.sha256(language.MODEL.read_bytes()).hexdigest() in notice


def test_measuring_writes_nothing_to_stderr() -> None:
    code = "from curate.documents import as_text; from curate.measures import language as l; print(l.measure(as_text(['hello there']), l.Settings()).num_rows)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
