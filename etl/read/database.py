"""placeholder"""

from etl.read.assemble import Recognise
from etl.read.limits import Limits
from etl.read.reading import Reading


def read_database(data: bytes, kind: str, recognise: Recognise, limits: Limits) -> Reading:
    raise NotImplementedError
