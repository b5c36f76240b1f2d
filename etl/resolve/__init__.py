"""Links, grades and overrides in; one decision a pair, verdicts on linked pairs and the contradiction ledger out.

`decide` is the pure core, `resolve` the job around it, `propose` the same without writing. The rooms: `lexicon` and
`features` take texts apart, `vetoes` hold two of them against each other, `judge` makes a verdict of every link,
`pins` reads what people decided, `order` goes from best to worst, `rules` holds the thresholds.
"""

from etl.resolve.decision import Resolution, decide
from etl.resolve.job import AFTER, pending, propose, recipe, resolve
from etl.resolve.rules import Rules

__all__ = ["AFTER", "Resolution", "Rules", "decide", "pending", "propose", "recipe", "resolve"]
