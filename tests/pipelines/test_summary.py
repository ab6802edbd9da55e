"""The model of a run: it survives JSON, its sums are checked, its problems are found."""

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from curate.errors import AccountingError
from pipelines.problems import GateSettings, problems
from pipelines.summary import Bits, Cluster, DocumentRef, FunnelStep, Pattern, Problem, Rule, Source, Summary, check_sums, from_json, funnel, to_json
from tests.pipelines import example


def with_source(**changes: object) -> Summary:
    """The example run with changes to its first source."""
    summary = example.summary()
    return replace(summary, sources=(replace(summary.sources[0], **changes), *summary.sources[1:]))  # type: ignore[arg-type]


def texts(summary: Summary, severity: str, **limits: float) -> list[str]:
    return [problem.text for problem in problems(summary, GateSettings(**limits)) if problem.severity == severity]


def test_a_summary_survives_json() -> None:
    summary = example.summary()
    assert from_json(to_json(summary)) == summary
    assert to_json(from_json(to_json(summary))) == to_json(summary)


def test_json_does_not_depend_on_the_order_in_which_reasons_were_counted() -> None:
    source = example.summary().sources[0]
    turned = with_source(dropped=dict(reversed(list(source.dropped.items()))))
    assert list(turned.sources[0].dropped) != list(source.dropped)
    assert to_json(turned) == to_json(example.summary())


def test_a_loss_that_is_not_finite_survives_json() -> None:
    model = replace(example.models()[0], curve=((1, 2.5), (2, float("nan")), (3, float("inf"))))
    read = from_json(to_json(replace(example.summary(), models=(model,))))
    assert repr(read.models[0].curve) == "((1, 2.5), (2, nan), (3, inf))"


def test_text_that_is_no_summary_is_refused() -> None:
    lacking = json.loads(to_json(example.summary()))
    del lacking["sources"]
    with pytest.raises(ValidationError, match="sources"):
        from_json(json.dumps(lacking))


def test_sums_that_add_up_pass() -> None:
    check_sums(example.summary())


@pytest.mark.parametrize(
    "changes",
    [{"num_records": 413}, {"num_kept": 196}, {"num_held_out": 13}, {"dropped": {"exact_duplicate": 200}}, {"quarantined": {}}],
)
def test_a_record_that_disappears_is_an_error_naming_the_source(changes: dict[str, object]) -> None:
    with pytest.raises(AccountingError, match=r"'web'.*records went in"):
        check_sums(with_source(**changes))


def test_a_negative_count_is_an_error_even_if_the_sums_agree() -> None:
    with pytest.raises(AccountingError, match="negative"):
        check_sums(with_source(num_kept=412, num_held_out=0, dropped={"exact_duplicate": -2}, quarantined={"truncated": 2}))


def test_a_funnel_that_ends_elsewhere_is_an_error() -> None:
    with pytest.raises(AccountingError, match="funnel ends at 5"):
        check_sums(with_source(funnel=(FunnelStep("records", 412), FunnelStep("kept", 5))))


def test_a_funnel_groups_rule_sets_and_puts_what_gather_lost_first() -> None:
    dropped = {"http_status": 2, "gopher_quality.min_words": 3, "gopher_quality.max_words": 1, "near_duplicate": 4}
    steps = funnel(100, 5, dropped, {"truncated": 1}, ("gopher_quality", "c4", "near_duplicate"))
    told = [(step.name, step.num_left) for step in steps]
    assert told == [("records", 100), ("gathered", 97), ("not held out", 92), ("gopher_quality", 88), ("c4", 88), ("near_duplicate", 84)]


def test_the_example_run_fails_no_gate() -> None:
    assert example.summary().gates == ()


def test_too_many_quarantined_records_fail_a_gate_and_their_source_is_warned_of() -> None:
    source = example.summary().sources[0]
    summary = with_source(quarantined={"truncated": 40, "damaged": 45}, num_records=source.num_records + 83)
    check_sums(summary)
    found = problems(summary)
    assert found[0].gate == "quarantined_share"
    assert "87 of 1191 records (7.3%)" in found[0].text
    assert any("Source web" in text and "most often as damaged" in text for text in texts(summary, "warning"))
    assert not [problem for problem in problems(summary, GateSettings(max_quarantined_fraction=0.5)) if problem.gate]


def test_exactly_the_allowed_share_of_quarantined_records_passes() -> None:
    at = Summary("r", "h", "n", 1, "0", (), (Source("a", "", "", 100, 90, 5, {}, {"damaged": 5}),))
    over = replace(at, sources=(Source("a", "", "", 100, 89, 5, {}, {"damaged": 6}),))
    assert "quarantined_share" not in [problem.gate for problem in problems(at)]
    assert "quarantined_share" in [problem.gate for problem in problems(over)]


def test_a_rule_that_dropped_everything_fails_a_gate_and_one_that_dropped_nothing_is_noted() -> None:
    summary = replace(example.summary(), rules=(Rule("c4.a", "x > 1", "C4", 9, 9), Rule("c4.b", "x > 2", "C4", 9, 0), Rule("c4.c", "x > 3", "C4", 9, 8)))
    assert [problem.gate for problem in problems(summary) if problem.gate] == ["rule_dropped_everything"]
    assert "1 of 3 rules failed no document: c4.b." in texts(summary, "note")


def test_a_rule_that_judged_nothing_fails_no_gate() -> None:
    assert not [problem for problem in problems(replace(example.summary(), rules=(Rule("c4.a", "x > 1", "C4", 0, 0),))) if problem.gate]


def test_a_glob_without_files_fails_a_gate() -> None:
    found = problems(with_source(patterns=(Pattern("web/*.warc", 3), Pattern("web/*.wet", 0))))
    assert [(problem.gate, "web/*.wet" in problem.text) for problem in found if problem.gate] == [("glob_without_files", True)]


def test_a_source_without_held_out_documents_and_one_that_kept_nothing_are_warned_of() -> None:
    assert any("no document is held out" in text for text in texts(with_source(num_held_out=0), "warning"))
    assert any("none of its 412 records" in text for text in texts(with_source(num_kept=0), "warning"))


def test_a_giant_cluster_is_warned_of_but_not_a_small_one() -> None:
    duplicates = replace(example.duplicates(), largest=(Cluster(300, DocumentRef("a:1")), Cluster(9, DocumentRef("a:2"))))
    summary = replace(example.summary(), duplicates=duplicates)
    assert ["a:1" in text for text in texts(summary, "warning") if "cluster" in text] == [True]
    assert not [text for text in texts(summary, "warning", max_cluster_fraction=0.5) if "cluster" in text]


@pytest.mark.parametrize(
    ("before", "after", "bigram", "expected"),
    [
        (3.6, 2.4, 2.5, None),
        (3.6, 2.5, 2.5, "not below a byte-bigram model's 2.500"),
        (3.6, 2.6, 2.5, "not below a byte-bigram model's 2.500"),
        (2.3, 2.4, 2.5, "training did not help"),
        (3.6, float("nan"), 2.5, "diverged"),
    ],
)
def test_figures_of_a_model_are_compared_with_the_bigram_and_with_the_untrained_model(before: float, after: float, bigram: float, expected: str | None) -> None:
    model = replace(example.models()[0], bits_per_byte={"web": Bits(before, after)}, bigram={"web": bigram})
    found = [text for text in texts(replace(example.summary(), models=(model,)), "warning") if "Model" in text]
    assert len(found) == (expected is not None)
    assert expected is None or expected in found[0]


@pytest.mark.parametrize(("difference", "warned"), [(1e-5, False), (1e-3, True), (float("nan"), True), (None, False)])
def test_an_export_with_other_logits_is_warned_of(difference: float | None, warned: bool) -> None:
    model = replace(example.models()[1], max_logits_difference=difference)
    assert any("logits" in text for text in texts(replace(example.summary(), models=(model,)), "warning")) == warned


def test_contaminated_and_untestable_items_and_timeouts_are_told() -> None:
    notes = texts(example.summary(), "note")
    assert any("2 of 40 items occur" in text for text in notes)
    assert any("1 of 40 items are shorter" in text for text in notes)
    assert any("timeout" in text for text in texts(with_source(quarantined={"timeout": 2}), "warning"))


def test_errors_come_before_warnings_and_warnings_before_notes() -> None:
    summary = with_source(patterns=(Pattern("x", 0),), num_held_out=0)
    ranks = [("error", "warning", "note").index(problem.severity) for problem in problems(summary)]
    assert ranks == sorted(ranks)
    assert set(ranks) == {0, 1, 2}


def test_each_failed_gate_is_named_once() -> None:
    summary = replace(example.summary(), problems=(Problem("error", "a", "g"), Problem("error", "b", "g"), Problem("note", "c")))
    assert summary.gates == ("g",)


def test_any_guard_becomes_a_gate_when_the_recipe_says_so() -> None:
    idle = replace(example.summary(), rules=(Rule("c4.b", "x > 2", "C4", 9, 0),))
    assert [problem.gate for problem in problems(idle, GateSettings(fail_on=("rule_dropped_nothing",))) if problem.gate] == ["rule_dropped_nothing"]
    everything = replace(example.summary(), rules=(Rule("c4.a", "x > 1", "C4", 9, 9),))
    assert not [problem for problem in problems(everything, GateSettings(fail_on=())) if problem.gate]


def test_documents_without_a_signature_are_warned_of_beyond_a_share() -> None:
    plain = example.summary()
    assert plain.duplicates is not None
    found = replace(plain, duplicates=replace(plain.duplicates, num_documents=100, num_empty_signatures=11))
    assert any("11 of 100 documents (11.0%)" in text for text in texts(found, "warning"))
    assert not any("no signature" in text for text in texts(found, "warning", max_empty_signatures_fraction=0.11))
    gate = GateSettings(fail_on=("empty_signatures",))
    assert [problem.gate for problem in problems(found, gate) if problem.gate] == ["empty_signatures"]


def test_a_setting_that_decides_nothing_is_warned_of_and_so_is_a_rule_that_never_applied() -> None:
    found = replace(example.summary(), unread_settings=("tokenizer",), rules=(Rule("c4.a", "x > 1", "C4", 0, 0),))
    assert any("Setting tokenizer decides nothing" in text for text in texts(found, "warning"))
    assert any("c4.a applied to no document" in text for text in texts(found, "note"))
    assert [problem.gate for problem in problems(found, GateSettings(fail_on=("unread_setting",))) if problem.gate] == ["unread_setting"] * 2
