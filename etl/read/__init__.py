"""A delivered file in, a `Reading` out: candidates, rejects and the format that was decided on.

`read` works in this process and never raises for bad content; `Reader` does the same in a spawned child that strangers'
bytes may kill.
"""

from etl.detect.format import MAPPING_CONFIDENCE, Format, Refusal
from etl.read.file import read
from etl.read.limits import Limits
from etl.read.reader import Reader, ReaderDied
from etl.read.reading import CANDIDATES, REJECTS, Reading

__all__ = [
    "CANDIDATES",
    "MAPPING_CONFIDENCE",
    "REJECTS",
    "Format",
    "Limits",
    "Reader",
    "ReaderDied",
    "Reading",
    "Refusal",
    "read",
]
