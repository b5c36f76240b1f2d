"""Verdicts, grades and what people decided in; the questions worth a person's time and the decisions they give out.

`queue` ranks what is open, the most informative first; `decide` writes a decision into `overrides` and `take_back`
withdraws it; `Session` goes through the queue for one reviewer. A decision takes effect when `resolve` runs next.
"""

from etl.review.decide import CHOICES, Decision, decide, newest, take_back
from etl.review.queue import KINDS, Item, Queue, queue
from etl.review.session import Session

__all__ = ["CHOICES", "KINDS", "Decision", "Item", "Queue", "Session", "decide", "newest", "queue", "take_back"]
