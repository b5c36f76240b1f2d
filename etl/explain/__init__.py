"""A key, FILE:LINE or a question in; everything the store knows about that row out: where from, what was found, why so.

`explain` gathers, `render` says it in plain text. A rejected record explains its reject, a refused file its refusal.
`links` tells of a pair and all that it is alike to.
"""

from etl.explain.explanation import Explanation
from etl.explain.links import links, render_links
from etl.explain.lookup import explain
from etl.explain.text import render

__all__ = ["Explanation", "explain", "links", "render", "render_links"]
