import resource
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from curate.errors import DamageError, EnvironmentProblem
from curate.storage import ATTEMPT_SUFFIX, checksum, publish, read_schema, read_table, write_bytes, write_table

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", "yy", ""]})


def test_a_table_comes_back_whole_or_by_column(tmp_path: Path) -> None:
    output = write_table(tmp_path / "t.arrow", TABLE)
    assert output.checksum == checksum(output.path)
    assert output.num_bytes == output.path.stat().st_size
    assert read_table(output.path) == TABLE
    assert read_table(output.path, ["b"]).column_names == ["b"]


def test_columns_come_in_the_order_asked_for(tmp_path: Path) -> None:
    write_table(tmp_path / "t.arrow", TABLE)
    assert read_table(tmp_path / "t.arrow", ["b", "a"]) == TABLE.select(["b", "a"])


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    assert write_table(tmp_path / "1", TABLE).checksum == write_table(tmp_path / "2", TABLE).checksum


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_cut_file_is_damage_never_fewer_rows(tmp_path: Path, kept: float) -> None:
    path = write_table(tmp_path / "t.arrow", TABLE).path
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    for read in (read_table, read_schema):
        with pytest.raises(DamageError, match="not a whole Arrow file"):
            read(path)


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    with pytest.raises(DamageError, match="missing"):
        read_table(tmp_path / "none.arrow")


def test_a_writer_that_fails_leaves_the_earlier_file_and_no_attempt(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"before")

    def fail(attempt: Path) -> None:
        attempt.write_bytes(b"half")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        publish(path, fail)
    assert path.read_bytes() == b"before"
    assert not list(tmp_path.glob(f"*{ATTEMPT_SUFFIX}"))


def test_a_full_disk_is_named_and_keeps_what_was_there(tmp_path: Path) -> None:
    """RLIMIT_FSIZE stands in for the disk: the kernel refuses the write just so."""
    write_bytes(tmp_path / "file", b"before")
    script = (
        "import resource, sys; from pathlib import Path; from curate.storage import write_bytes\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (4096, {resource.RLIM_INFINITY}))\n"
        "try: write_bytes(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "file")], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.startswith(EnvironmentProblem.__name__)
    assert "a file-size limit was reached" in done.stdout
    assert (tmp_path / "file").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
