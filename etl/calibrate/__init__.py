"""Yes-or-no answers about pairs in; the merge and review thresholds that they bear out, with an interval, out.

`questions` samples pairs a band of similarity, `answer` writes each answer down, `fit` is the pure core, `adopt` stores
what was fitted for a model, a method and a language; `resolve` goes by it from then on.
"""

from etl.calibrate.books import adopt, answer, answers, standing, take_back
from etl.calibrate.fit import Answer, Fit, fit, interval
from etl.calibrate.labelled import labelled
from etl.calibrate.sample import FLOORS, Asked, bands, questions, strata

__all__ = [
    "FLOORS", "Answer", "Asked", "Fit", "adopt", "answer", "answers", "bands", "fit", "interval", "labelled",
    "questions", "standing", "strata", "take_back",
]  # fmt: skip
