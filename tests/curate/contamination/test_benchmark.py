"""Benchmark files become items, or a message says why not."""

import gzip
import json
from pathlib import Path

import pytest

from curate.contamination.benchmark import ITEMS, BenchmarkSettings, file_identity, read_items
from curate.errors import InputError

_LINES: list[dict[str, object]] = [
    {"task": "a/0", "prompt": "one two three", "choices": {"text": ["four five", "six seven"]}, "gold": 2},
    {"task": "a/1", "prompt": "Größe über alles, 漢字 too", "choices": {"text": []}, "gold": None},
]


def _write(path: Path, content: str | bytes) -> BenchmarkSettings:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return BenchmarkSettings(name="quiz", path=str(path), fields=["prompt"])


def _jsonl(lines: list[dict[str, object]]) -> str:
    return "\n".join(map(json.dumps, lines)) + "\n\n"


def test_fields_are_joined_in_the_given_order_and_lists_and_nulls_are_read(tmp_path: Path) -> None:
    settings = _write(tmp_path / "quiz.jsonl", _jsonl(_LINES)).model_copy(update={"fields": ["choices.text", "gold", "prompt"], "id_field": "task"})
    items = read_items(settings)
    assert items.schema == ITEMS
    assert items["text"].to_pylist() == ["four five\nsix seven\n2\none two three", "four five\nsix seven", "\nGröße über alles, 漢字 too", ""]
    assert items["pieces"].to_pylist()[::2] == [["four five", "six seven", "2", "one two three"], ["Größe über alles, 漢字 too"]]
    assert items["item_id"].to_pylist() == ["a/0", "a/0", "a/1", "a/1"]
    assert items["fields"].to_pylist() == ["choices.text + gold + prompt", "choices.text"] * 2


def test_other_choices_of_fields_stand_for_the_item_as_well(tmp_path: Path) -> None:
    settings = _write(tmp_path / "quiz.jsonl", _jsonl(_LINES[:1])).model_copy(update={"fields": ["prompt", "choices.text"]})
    for also, expected in (
        (None, ["prompt + choices.text", "prompt"]),
        ([], ["prompt + choices.text"]),
        ([["prompt", "gold"], ["prompt", "choices.text"]], ["prompt + choices.text", "prompt + gold"]),
    ):
        assert read_items(settings.model_copy(update={"also": also}))["fields"].to_pylist() == expected


def test_labels_of_the_format_are_no_part_of_an_item(tmp_path: Path) -> None:
    settings = _write(tmp_path / "quiz.jsonl", _jsonl([{"prompt": "Question: why? Question: how?"}, {"prompt": "why"}]))
    assert read_items(settings.model_copy(update={"labels": ["Question:"]}))["text"].to_pylist() == [" why? Question: how?", "why"]


def test_packed_and_plain_files_hold_the_same_items(tmp_path: Path) -> None:
    plain = _write(tmp_path / "quiz.jsonl", _jsonl(_LINES))
    packed = _write(tmp_path / "quiz.jsonl.gz", gzip.compress(_jsonl(_LINES).encode()))
    assert read_items(plain).equals(read_items(packed))


def test_csv_is_read_with_byte_order_mark_quotes_and_line_ends_in_fields(tmp_path: Path) -> None:
    settings = _write(tmp_path / "quiz.csv", '\ufeffprompt,answer\r\n"Say ""yes"",\r\nor no",1\r\nplain,2\r\n')
    assert read_items(settings)["text"].to_pylist() == ['Say "yes",\r\nor no', "plain"]
    assert read_items(settings)["item_id"].to_pylist() == ["0", "1"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("quiz.jsonl", '{"prompt": "x"}\n{"question": "y"}\n', "line 2.*no field 'prompt'.*'question'"),
        ("quiz.jsonl", '{"prompt": "x"}\n[1]\n', "line 2.*not a list"),
        ("quiz.jsonl", '{"prompt": "x"}\n{"prompt\n', "line 2.*one JSON object"),
        ("quiz.jsonl", '{"prompt": {"text": 1}}\n', "line 1.*is an object.*prompt.text"),
        ("quiz.jsonl", '{"prompt": "\\ud800"}\n', "line 1.*half a surrogate"),
        ("quiz.jsonl", "\n", "holds no item"),
        ("quiz.jsonl", b"\xff\xfe", "not UTF-8 at byte 0"),
        ("quiz.jsonl.gz", b"no gzip", "cannot be read"),
        ("quiz.jsonl.gz", gzip.compress(b'{"prompt": "x"}\n' * 99, mtime=0)[:-9], "cannot be read"),
        ("quiz.csv", "prompt,answer\nx,1\ny\n", "line 3.*2 columns"),
        ("quiz.csv", "prompt,answer\nx,1,2\n", "line 2.*2 columns"),
        ("quiz.csv", "question\nx\n", "no field 'prompt'"),
        ("quiz.csv", 'prompt\n"open', "not well-formed CSV"),
        ("quiz.parquet", "", "read from .jsonl or .csv.*not from .parquet"),
        ("quiz", "", "not from a file without a suffix"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error_that_says_where(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_items(_write(tmp_path / name, content))


def test_a_missing_file_is_an_error_for_items_and_identity(tmp_path: Path) -> None:
    settings = BenchmarkSettings(name="quiz", path=str(tmp_path / "none.jsonl"), fields=["prompt"])
    for read in (read_items, file_identity):
        with pytest.raises(InputError, match="is missing"):
            read(settings)


def test_two_items_of_one_id_are_refused(tmp_path: Path) -> None:
    settings = _write(tmp_path / "quiz.jsonl", _jsonl([_LINES[0], _LINES[1], _LINES[0]])).model_copy(update={"id_field": "task"})
    with pytest.raises(InputError, match="the id 'a/0'"):
        read_items(settings)
