"""The closing table and the object of `run --json`."""

import io
import json
import re
import shlex
from dataclasses import replace

import pytest

from pipelines.summary import Bits, Problem, Summary
from pipelines.table import as_json, next_commands, show
from tests.pipelines import example
from tests.pipelines.hostile import hostile


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def plain(summary: Summary) -> str:
    stream = io.StringIO()
    show(summary, stream)
    return stream.getvalue()


def on_terminal(summary: Summary, monkeypatch: pytest.MonkeyPatch, columns: int = 100) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    show(summary, stream)
    return stream.getvalue()


def test_the_table_tells_sources_rows_figures_paths_and_what_to_do_next() -> None:
    told = plain(example.summary())
    assert re.search(r"^web +412 +197 +12 +201 +2$", told, re.MULTILINE)
    assert "warc_request 118, gopher_quality.min_words 23, near_duplicate 19" in told
    assert "4 other reasons 14" in told
    assert "length_mismatch 1, truncated 1" in told
    assert re.search(r"^causal +4,802 +133 +1,204,118 +98\.4%$", told, re.MULTILINE)
    assert re.search(r"^causal +web +3\.610 +→ +2\.310 +3\.420$", told, re.MULTILINE)
    assert re.search(r"^masked +books +2\.920 +→ +1\.960 +–$", told, re.MULTILINE)
    assert "warning: Model causal" in told
    for path in ("report.html", "shards/causal/README.md", "shards/masked/README.md", "models/causal", "models/masked"):
        assert f"runs/quickstart/{path}\n" in told
    assert "corpuscle explain runs/quickstart 4f1c09aa:114\n" in told


def test_other_reasons_are_summed_not_lost() -> None:
    web = example.summary().sources[0]
    line = plain(replace(example.summary(), sources=(web,), duplicates=None, models=())).split("Why records are missing")[1].split("Rows")[0]
    shown = line.replace("length_mismatch 1, truncated 1", "")
    assert sum(int(number) for number in re.findall(r"(?<=[a-z]) (\d+)(?=,|\s)", shown)) == web.num_dropped


def test_off_a_terminal_the_table_is_plain_text() -> None:
    told = plain(example.summary())
    assert "\x1b" not in told
    assert not set("─│┃━") & set(told)
    assert not [line for line in told.splitlines() if line != line.rstrip()]


def test_on_a_terminal_there_are_lines_and_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    told = on_terminal(example.summary(), monkeypatch)
    assert "\x1b[" in told
    assert "─" in told


def test_no_color_is_obeyed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    show(example.summary(), stream)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", stream.getvalue())


def test_on_a_narrow_terminal_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    told = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal(example.summary(), monkeypatch, columns=60))
    assert "…" not in told
    assert "runs/quickstart/shards/causal/README.md\n" in told
    assert "".join(told.split()).count("2.310") == 1


@pytest.mark.parametrize("terminal", [False, True])
def test_data_never_steers_the_terminal_and_is_no_markup(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = hostile(example.summary())
    told = on_terminal(summary, monkeypatch, columns=400) if terminal else plain(summary)
    ours = re.sub(r"\x1b\[[0-9;]*m", "", told) if terminal else told
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202e\u2069\ud800]", ours)
    # A sequence from the data would have survived as colour; ours are bold, dim and the problem colours only.
    assert set(re.findall(r"\x1b\[([0-9;]*)m", told)) <= {"0", "1", "1;31", "33"}
    assert "[bold red]rich[/]" in "".join(ours.split("\n"))


def test_failed_gates_are_told_and_notes_only_counted() -> None:
    found = (Problem("error", "all gone", "rule_dropped_everything"), Problem("note", "a detail"), Problem("note", "another"))
    told = plain(replace(example.summary(), problems=found))
    assert "gate failed: all gone" in told
    assert "2 notes in the report" in told
    assert "a detail" not in told


def test_commands_to_try_are_quoted_for_the_shell() -> None:
    summary = replace(example.summary(), run="my runs/a; rm -rf x")
    explain, generate = next_commands(summary)
    assert shlex.split(explain) == ["corpuscle", "explain", "my runs/a; rm -rf x", "4f1c09aa:114"]
    assert shlex.split(generate)[:3] == ["corpuscle", "generate", "my runs/a; rm -rf x/models/causal"]


def test_a_run_without_duplicates_or_models_still_has_a_command_to_try() -> None:
    bare = replace(example.summary(), duplicates=None, models=(), rows=())
    assert next_commands(bare) == ["corpuscle verify runs/quickstart"]
    assert "Rows" not in plain(bare)


def test_standard_error_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    show(example.summary())
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "quickstart" in seen.err


def test_the_json_object_is_exactly_the_promised_one() -> None:
    summary = replace(example.summary(), sources=example.sources()[1:2], rows=example.summary().rows[:1], models=(), stages=example.summary().stages[:1])
    assert as_json(summary) == {
        "run": "runs/quickstart",
        "recipe": "8f41c2a07be95d13",
        "sources": {
            "guides": {
                "records": 96,
                "kept": 67,
                "held_out": 4,
                "dropped": {"gopher_quality.min_words": 2, "near_duplicate": 21, "near_held_out": 2},
                "quarantined": {},
            }
        },
        "rows": {"causal": {"train": 4802, "held_out": 133, "tokens": 1204118}},
        "models": {},
        "seconds": {"gather": 2.4},
    }


def test_figures_of_models_are_in_the_json_object_and_what_is_not_finite_is_null() -> None:
    model = replace(example.models()[0], bits_per_byte={"web": Bits(3.5, float("nan"))})
    told = json.loads(json.dumps(as_json(replace(example.summary(), models=(model,))), allow_nan=False))
    assert told["models"] == {"causal": {"bits_per_byte": {"web": {"before": 3.5, "after": None}}}}


def test_a_single_reason_left_over_is_named() -> None:
    web = replace(example.summary().sources[0], dropped={f"reason_{letter}": 9 - place for place, letter in enumerate("abcdefg")})
    told = plain(replace(example.summary(), sources=(web,)))
    assert "reason_g 3" in " ".join(told.split())
    assert "other reason" not in told
