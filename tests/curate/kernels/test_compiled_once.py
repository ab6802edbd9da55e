"""Each kernel of the measures is compiled for one kind of arguments: numba would else compile it again, seconds each, in every process."""

import json
import subprocess
import sys

_MEASURE = """
import json, sys
import pyarrow as pa
from numba.core.dispatcher import Dispatcher
from curate.documents import as_text
from curate.measures import family

texts = as_text(["One two.", "three\\r\\nfour", ""])
given = [texts, texts.slice(1), texts.slice(0, 0), as_text(pa.chunked_array([["a"], ["b"]])), pa.Array.from_buffers(pa.large_string(), 1, [
    None, pa.py_buffer(bytearray((0).to_bytes(8, "little") + (2).to_bytes(8, "little"))), pa.py_buffer(bytearray(b"ab"))])]
for name in ("identity", "words", "lines", "repetition", "signature"):
    for one in given:
        family(name).measure(one, family(name).Settings())
modules = [module for name, module in sys.modules.items() if name.startswith("curate.kernels.")]
found = {f"{module.__name__}.{name}": len(value.signatures)
         for module in modules for name, value in vars(module).items() if isinstance(value, Dispatcher) and value.__module__ == module.__name__}
print(json.dumps(found))
"""


def test_read_only_writable_sliced_and_empty_columns_need_one_signature() -> None:
    done = subprocess.run([sys.executable, "-c", _MEASURE], capture_output=True, text=True, check=True)
    signatures = json.loads(done.stdout)
    assert {name.rpartition(".")[2] for name, count in signatures.items() if count} >= {
        "count_words",
        "count_lines",
        "count_text_lines",
        "count_repeated_ngrams",
        "sign",
    }
    assert {name: count for name, count in signatures.items() if count > 1} == {}
