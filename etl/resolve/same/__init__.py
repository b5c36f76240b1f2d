"""Two texts in, why they say the same although their words differ out: the counterpart of the vetoes.

`answers` holds one small unit a way in which two answers can be the same, `questions` what may differ between two
questions once their answers are. The examples in the docstrings are run as tests; what spoke stands in the evidence of
a merge, and `explain` shows it.
"""

from etl.resolve.same.answers import same_answers
from etl.resolve.same.both import Answers
from etl.resolve.same.questions import same_but_for_fillers

__all__ = ["Answers", "same_answers", "same_but_for_fillers"]
