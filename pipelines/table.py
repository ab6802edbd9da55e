"""The closing words of a run on the terminal: what came in, what came out, what was learned, and what to try next.

Everything a summary holds is data: it is shown as plain text, never as terminal sequences and never as rich's own markup.
"""

import math
import shlex
import sys
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any, TextIO

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.report import figures
from pipelines.report.visible import visible
from pipelines.summary import Model, Summary

MAX_REASONS = 6  # per source; the report has them all
_PLAIN_WIDTH = 160  # of a log file, where nothing tells how wide the reader's window is
_STYLES = {"error": "bold red", "warning": "yellow", "note": ""}


def show(summary: Summary, stream: TextIO | None = None) -> None:
    """Write the closing table to `stream` (default standard error): with lines and colours on a terminal, plain text in a file or pipe.

    rich obeys NO_COLOR and TERM=dumb. Nothing is written but printable characters, line ends and rich's own colours.
    """
    stream = stream or sys.stderr
    terminal = stream.isatty()
    page = StringIO()
    console = Console(
        file=stream if terminal else page,
        markup=False,
        emoji=False,
        highlight=False,
        width=None if terminal else _PLAIN_WIDTH,
        force_terminal=terminal,
    )
    for part in closing(summary, plain=not terminal):
        console.print(part, soft_wrap=isinstance(part, Text))
    # rich pads every cell of a table; in a log such blanks are only noise.
    stream.write("".join(line.rstrip() + "\n" for line in page.getvalue().splitlines()))


def closing(summary: Summary, *, plain: bool) -> Iterator[RenderableType]:
    """The parts of the closing table in order; `plain` draws no lines."""
    frame = None if plain else box.SIMPLE_HEAD
    tables = [_sources(summary, frame)]
    if any(source.dropped or source.quarantined for source in summary.sources):
        tables.append(_reasons(summary, frame))
    if summary.rows:
        tables.append(_rows(summary, frame))
    if summary.models:
        tables.append(_bits(summary, frame))
    for table in tables:
        yield Text()
        yield table
    yield Text()
    yield from _problems(summary)
    yield _paths(summary)
    yield _next(summary)


def next_commands(summary: Summary) -> list[str]:
    """Commands worth trying now, quoted for a shell: why a dropped document is missing, and what a causal model writes."""
    commands = []
    dropped = [member for cluster in (summary.duplicates.largest if summary.duplicates else ()) for member in cluster.members]
    if dropped:
        commands.append(shlex.join(["corpuscle", "explain", summary.run, dropped[0].id]))
    commands += [shlex.join(["corpuscle", "generate", f"{summary.run}/{model.path}", "The first thing to do"]) for model in summary.models if not model.masked][
        :1
    ]
    return [visible(command) for command in commands] or [visible(shlex.join(["corpuscle", "verify", summary.run]))]


def as_json(summary: Summary) -> dict[str, Any]:
    """The object that `run --json` prints; a figure that is not finite becomes null, which JSON can hold."""
    return {
        "run": summary.run,
        "recipe": summary.recipe,
        "sources": {
            source.name: {
                "records": source.num_records,
                "kept": source.num_kept,
                "held_out": source.num_held_out,
                "dropped": dict(sorted(source.dropped.items())),
                "quarantined": dict(sorted(source.quarantined.items())),
            }
            for source in summary.sources
        },
        "rows": {rows.task: {"train": rows.num_train, "held_out": rows.num_held_out, "tokens": rows.num_tokens} for rows in summary.rows},
        "models": {
            model.task: {"bits_per_byte": {name: {"before": _finite(bits.before), "after": _finite(bits.after)} for name, bits in model.bits_per_byte.items()}}
            for model in summary.models
        },
        "seconds": {stage.name: stage.seconds for stage in summary.stages},
    }


def _table(title: str, frame: box.Box | None, *columns: str) -> Table:
    """A table whose first column is a name and whose others are figures."""
    table = Table(title=title, title_justify="left", title_style="bold", box=frame, pad_edge=False, padding=(0, 1))
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", overflow="fold", no_wrap=bool(place))
    return table


def _name(text: str) -> Text:
    return Text(visible(text))


def _sources(summary: Summary, frame: box.Box | None) -> Table:
    table = _table("Sources", frame, "source", "records", "kept", "held out", "dropped", "quarantined")
    for source in summary.sources:
        numbers = (source.num_records, source.num_kept, source.num_held_out, source.num_dropped, source.num_quarantined)
        decided = bool(source.funnel)  # before select nothing is kept or dropped yet, and 0 would read as a loss
        shown = (figures.count(number) if decided or place in (0, 4) else "–" for place, number in enumerate(numbers))
        table.add_row(_name(source.name), *shown)
    return table


def _reasons(summary: Summary, frame: box.Box | None) -> Table:
    table = Table(title="Why records are missing", title_justify="left", title_style="bold", box=frame, pad_edge=False, padding=(0, 1))
    table.add_column("source", overflow="fold")
    table.add_column("dropped", overflow="fold")
    table.add_column("quarantined", overflow="fold")
    for source in summary.sources:
        table.add_row(_name(source.name), _counted(source.dropped), _counted(source.quarantined))
    return table


def _counted(counts: Mapping[str, int]) -> Text:
    """The most frequent reasons with their counts, and how many records the others took."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    shown = len(ranked) if len(ranked) == MAX_REASONS + 1 else MAX_REASONS  # "1 other reason" would take the place of the reason itself
    told = [f"{visible(reason)} {figures.count(number)}" for reason, number in ranked[:shown]]
    if rest := ranked[shown:]:
        told.append(f"{len(rest)} other reasons {figures.count(sum(number for _, number in rest))}")
    return Text(", ".join(told) or "–")


def _rows(summary: Summary, frame: box.Box | None) -> Table:
    table = _table("Rows", frame, "task", "training rows", "held-out rows", "tokens", "positions in use")
    for rows in summary.rows:
        used = figures.share(rows.num_positions - rows.num_padding, rows.num_positions)
        table.add_row(_name(rows.task), *map(figures.count, (rows.num_train, rows.num_held_out, rows.num_tokens)), used)
    return table


def _bits(summary: Summary, frame: box.Box | None) -> Table:
    table = Table(title="Held-out bits per byte (masked: per masked byte)", title_justify="left", title_style="bold", box=frame, pad_edge=False, padding=(0, 1))
    for column in ("task", "source"):
        table.add_column(column, overflow="fold")
    for column in ("before", "", "after", "byte-bigram"):
        table.add_column(column, justify="right", no_wrap=True)
    for model in summary.models:
        for source, value in figures.by_name(model.bits_per_byte):
            bigram = _baseline(model, source)
            table.add_row(_name(model.task), _name(source), figures.bits(value.before), "→", figures.bits(value.after), bigram)
    return table


def _baseline(model: Model, source: str) -> str:
    return figures.bits(model.bigram.get(source))


def _problems(summary: Summary) -> Iterator[Text]:
    """Errors and warnings in full; notes are only counted, the report has them."""
    for problem in summary.problems:
        if problem.severity != "note":
            word = "gate failed" if problem.gate else problem.severity
            yield Text.assemble((f"{word}: ", _STYLES[problem.severity]), visible(problem.text))
    if notes := sum(problem.severity == "note" for problem in summary.problems):
        yield Text(f"{notes} {'note' if notes == 1 else 'notes'} in the report")


def _paths(summary: Summary) -> Text:
    lines = [("report", f"{summary.run}/{summary.report}")]
    lines += [("data card", f"{summary.run}/{rows.path}/README.md") for rows in summary.rows]
    lines += [("model", f"{summary.run}/{model.path}") for model in summary.models]
    return Text("\n" + "\n".join(f"{name:<10} {visible(path)}" for name, path in lines))


def _next(summary: Summary) -> Text:
    return Text("\nnext       " + "\n           ".join(next_commands(summary)))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
