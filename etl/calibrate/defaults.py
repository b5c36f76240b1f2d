"""Where the default thresholds come from; a test fits them anew and holds these figures to it.

    etl calibrate --labels tests/labelled_pairs.jsonl --labels tests/held_out_pairs.jsonl --precision 0.97 --language en

in a workspace with the default model says the same and stores it for that workspace.
"""

from __future__ import annotations

WANTED, CONFIDENCE = 0.97, 0.95
LANGUAGE = "en"  # of the labelled pairs that the model knows, the only one with enough that could merge
MERGE_COSINE = 0.84
RIGHT, ANSWERS, LOW, HIGH = 121, 121, 0.9755, 1.0  # at MERGE_COSINE and above
STRICTER, MORE = 0.98, 28  # a stricter wish, and how many more right answers it would take

_READ = "not fitted: chosen by reading what was merged, see 'What was measured' in docs/decisions.md"


def told(name: str) -> str:
    """The evidence for the default of a threshold, in words."""
    if name == "merge_cosine":
        return (
            f"{RIGHT} of {ANSWERS} labelled English pairs that merge from here on are duplicates: the precision lies "
            f"above {LOW} with {CONFIDENCE:.0%} confidence; {STRICTER:g} would take {MORE} more"
        )
    if name == "review_cosine":
        return "the merge threshold; the labelled pairs are no fair sample of what lies below it"
    return _READ
