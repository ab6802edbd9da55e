"""gather: slices of the sources' files become document parts, and records that became none become quarantine parts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from curate.readers.gather import gather as gather_slice
from curate.readers.slices import Slice, find_files, make_slices
from curate.readers.sources import Limits, SourceSettings
from curate.storage import Output, checksum
from pipelines.context import Context
from pipelines.units import Done, Unit

VERSION = 1
