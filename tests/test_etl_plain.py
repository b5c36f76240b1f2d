"""The quick look at a column's bytes finds the rows that a look at each text finds."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from etl.plain import all_printable, odd_rows

TEXT = st.text(st.one_of(st.sampled_from(" aZ~"), st.sampled_from("\x00\x1f\n\x7fé中😀")), max_size=40)
PLAIN = st.text(st.sampled_from(" aZ~0"), max_size=40)


def is_odd(text: str | None) -> bool:
    return text is not None and any(not 0x20 <= byte <= 0x7E for byte in text.encode())


@given(st.lists(st.one_of(st.none(), PLAIN, PLAIN, TEXT), max_size=30), st.integers(0, 5), st.integers(0, 30))
def test_odd_rows_are_those_with_a_byte_beyond_printable_ascii(texts: list[str | None], start: int, rows: int) -> None:
    column = pl.Series(texts, dtype=pl.String)
    for some in (column, column.slice(start, rows), pl.concat([column, column.slice(start)])):
        expected = [i for i, text in enumerate(some) if is_odd(text)]
        assert odd_rows(some).to_list() == expected
        assert all_printable(some) == (not expected)


def test_a_few_rows_of_a_long_column_are_looked_at_alone() -> None:
    column = pl.Series([*(["a long and plain text"] * 500), "a long text with a line\nbreak", "and an ordinary one"])
    assert odd_rows(column.slice(500, 2)).to_list() == [0]
    assert all_printable(column.slice(0, 3))
