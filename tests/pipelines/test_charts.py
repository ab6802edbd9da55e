"""Charts: true to their figures, safe with any label, well-formed."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from pipelines.report.charts import Line, bar, line_chart, marked_bar, ticks


def parsed(svg: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(svg))


def path_of(svg: Markup) -> str:
    return next(str(element.get("d")) for element in parsed(svg).iter("path"))


def chart(points: list[tuple[float, float]], **more: object) -> Markup:
    return line_chart([Line("loss", points)], title="t", x_label="x", y_label="y", **more)  # type: ignore[arg-type]


def test_segments_of_a_bar_lie_end_to_end_in_proportion() -> None:
    rects = list(parsed(bar([("kept", 0.5), ("held", 0.0), ("dropped", 0.25)], "three")))[1:]
    assert [(rect.get("class"), rect.get("x"), rect.get("width")) for rect in rects] == [("kept", "0", "50"), ("held", "50", "0"), ("dropped", "50", "25")]


def test_a_tiny_share_is_still_seen_and_inside_the_bar() -> None:
    sliver = list(parsed(bar([("kept", 0.9999), ("quarantined", 0.0001)], "x")))[-1]
    x, width = float(str(sliver.get("x"))), float(str(sliver.get("width")))
    assert width == 0.33
    assert x + width <= 100


@pytest.mark.parametrize("shares", [[1.2], [0.6, 0.6], [-0.1], [float("nan")]])
def test_shares_that_are_none_are_refused(shares: list[float]) -> None:
    with pytest.raises(ValueError, match="shares"):
        bar([("kept", share) for share in shares], "x")


def test_marks_stand_where_their_figures_are() -> None:
    svg = parsed(marked_bar(2.0, [("before", 3.0), ("bigram", 2.5), ("bigram", float("nan"))], 4.0, "bits"))
    assert [line.get("x1") for line in svg.iter("line")] == ["75", "62.5"]
    assert [rect.get("width") for rect in svg.iter("rect")] == ["100", "50"]


def test_a_figure_that_is_not_finite_draws_no_bar() -> None:
    assert [rect.get("width") for rect in parsed(marked_bar(float("inf"), [], 4.0, "bits")).iter("rect")] == ["100", "0"]


def test_labels_are_escaped_and_made_visible() -> None:
    attack = '"><script>x</script>\u202e'
    for svg in (
        bar([], attack),
        marked_bar(1, [], 1, attack),
        line_chart([Line(attack, [(0, 1)]), Line("b", [(1, 2)])], title=attack, x_label=attack, y_label=attack),
    ):
        assert "<script" not in svg
        assert not list(parsed(svg).iter("script"))
        assert "\u202e" not in svg


def test_charts_carry_no_style_attribute_which_the_content_policy_forbids() -> None:
    drawn = chart([(0, 1), (1, 2)]) + bar([("kept", 1.0)], "x") + marked_bar(1, [("before", 1)], 2, "x")
    assert not re.search(r"\bstyle=|\bon\w+=", drawn)


def test_a_line_goes_through_its_points_in_order() -> None:
    numbers = [float(number) for number in re.findall(r"[\d.]+", path_of(chart([(0, 0), (5, 10), (10, 5)])))]
    xs, ys = numbers[0::2], numbers[1::2]
    assert xs == sorted(xs)
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.02)
    assert ys[1] < ys[2] < ys[0]
    assert ys[0] - ys[2] == pytest.approx((ys[0] - ys[1]) / 2, abs=0.02)


def test_points_that_are_not_finite_break_the_line() -> None:
    path = path_of(chart([(0, 1), (1, 2), (2, float("nan")), (3, 4), (4, 5)]))
    assert path.count("M") == 2
    assert path.count("L") == 2


def test_without_a_finite_point_there_is_no_chart() -> None:
    assert chart([]) == ""
    assert chart([(0, float("inf"))]) == ""


def test_a_single_point_and_a_flat_line_have_a_chart() -> None:
    for points in ([(3.0, 2.0)], [(1.0, 2.0), (2.0, 2.0)]):
        assert "nan" not in chart(points)


def test_a_long_line_is_thinned_but_keeps_its_ends() -> None:
    points = [(float(step), math.sin(step)) for step in range(10_001)]
    path = path_of(chart(points))
    assert 200 < path.count("L") <= 401
    short = path_of(chart([points[0], *points[-1:]], y_from="data"))
    assert re.findall(r"[ML]([\d.]+) ", path)[0] == re.findall(r"[ML]([\d.]+) ", short)[0]
    assert re.findall(r"[ML]([\d.]+) ", path)[-1] == re.findall(r"[ML]([\d.]+) ", short)[-1]


def test_an_axis_from_zero_begins_at_zero() -> None:
    assert ">0<" in chart([(1, 90), (2, 95)], y_from="zero")
    assert ">0<" not in chart([(1, 90), (2, 95)])


@given(st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_ticks_are_few_even_and_enclose_the_data(low: float, extent: float) -> None:
    found = ticks(low, low + extent)
    slack = 1e-6 * max(1.0, abs(low), extent)
    assert 2 <= len(found) <= 7
    assert found[0] <= low + slack
    assert found[-1] >= low + extent - slack
    steps = [after - before for before, after in pairwise(found)]
    assert max(steps) - min(steps) <= slack


def test_ticks_are_round() -> None:
    assert ticks(0, 400) == [0, 100, 200, 300, 400]
    assert ticks(2.1, 7.9) == [2, 4, 6, 8]
    assert [round(tick, 9) for tick in ticks(0, 1)] == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
