"""Whatever Arrow parses of a delimited text is what Python's strict csv reader makes of it."""

import csv

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from etl.detect.delimited import Table
from etl.read.table_quickly import quickly

FOUND = Table(",", "rfc4180", ("question", "answer"), True, [], ())
CELL = st.one_of(st.text('", a\u2028é', max_size=5), st.sampled_from(["NA", "null", "1", "", '"x"', '"a ""b"""', '""']))
LINE = st.one_of(st.tuples(CELL, CELL).map(",".join), st.text('",a', max_size=8))


def rows_of(lines: list[str]) -> list[list[str]] | None:
    try:
        return list(csv.reader(lines, strict=True))
    except csv.Error:
        return None


@given(st.lists(LINE, min_size=1, max_size=6))
def test_rows_read_quickly_are_those_of_the_strict_reader(lines: list[str]) -> None:
    data = "".join(f"{line}\n" for line in lines).encode()
    starts = np.concatenate([[0], np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")) + 1])
    frame = quickly(data, starts, FOUND)
    if frame is not None:
        assert [list(row) for row in frame.rows()] == rows_of(lines)


def test_tables_with_quotes_where_they_belong_are_read_quickly() -> None:
    data = b'"a, b","say ""yes"""\n"",\nplain,"x"\n'
    frame = quickly(data, np.array([0, 21, 25, 35]), FOUND)
    assert frame is not None
    assert frame.rows() == [("a, b", 'say "yes"'), ("", ""), ("plain", "x")]
