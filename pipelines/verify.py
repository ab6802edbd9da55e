"""Every file of a run against its recorded checksum."""

from typing import Any

from curate.storage import checksum
from pipelines.context import Context


def verify(context: Context) -> dict[str, Any]:
    """{"files", "bytes", "problems": [{"path", "what", "unit"}]}: reads every byte the journal vouches for."""
    problems: list[dict[str, str]] = []
    files = num_bytes = 0
    for entry in context.entries(""):
        for path, (expected_bytes, expected) in sorted(entry.outputs.items()):
            files += 1
            num_bytes += expected_bytes
            file = context.run / path
            if not file.exists():
                problems.append({"path": path, "what": "missing", "unit": entry.unit})
            elif (found := file.stat().st_size) != expected_bytes:
                problems.append({"path": path, "what": f"{found} bytes where {expected_bytes} were written", "unit": entry.unit})
            elif checksum(file) != expected:
                problems.append({"path": path, "what": "its bytes differ from those written", "unit": entry.unit})
    return {"files": files, "bytes": num_bytes, "problems": problems}
