"""The thresholds of `resolve` and the languages they hold for, each with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from etl.errors import SettingsError

# The languages of the word lists behind the vetoes. Elsewhere a merge needs the very same words in the same order.
VETO_LANGUAGES = frozenset({"en"})


class Settings(TypedDict, total=False):
    """The same fields as `Rules`, for functions that take them as keywords."""

    languages: tuple[str, ...] | None
    merge_cosine: float
    merge_lexical: float
    review_cosine: float
    review_lexical: float
    same_question: float
    answer_words: float


@dataclass(frozen=True, slots=True)
class Rules:
    """When two linked pairs are merged, reviewed, or called answers to the same question.

    Similarities are those of the link's own method, 0 to 1, and both sides (question and answer) must reach the
    threshold. `languages` are those that the model declares; None takes it for every language.

    Measured with all-MiniLM-L6-v2 on 33,161 pairs of Alpaca, NQ-open, COVID FAQs, GPTeacher, MedQuAD, OpenTriviaQA and
    chitchat (71,745 question links from cosine 0.8; word overlap stood in for the lexical similarity): with 0.7 for the
    answers' words they merge 292 links; about 200 were read with the starts of their answers, none was wrong. A later
    run over 37,708 pairs was read whole (docs/read-merges.md) and raised that to 0.8. The similarities alone did not
    get there: at 0.98 for the question and 1.0 for the answer NQ-open still mixes up 'the super bowl' and 'the last
    super bowl'. What keeps merges right is that questions must ask about the same (`same_matter`) and the vetoes; the
    thresholds only bound what is looked at.
    """

    languages: tuple[str, ...] | None = ("en",)
    merge_cosine: float = 0.9
    merge_lexical: float = 0.8
    review_cosine: float = 0.9
    review_lexical: float = 0.7
    same_question: float = 0.9
    answer_words: float = 0.8

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name != "languages" and not 0.0 <= value <= 1.0:
                raise SettingsError(f"resolve: {name} is {value}; it must lie between 0 and 1")
        if self.merge_cosine < self.review_cosine or self.merge_lexical < self.review_lexical:
            raise SettingsError("resolve: a merge threshold lies below the review threshold of the same method")

    @property
    def floor(self) -> float:
        """No link below this in question similarity can matter."""
        return min(self.review_cosine, self.review_lexical, self.same_question)

    def parameters(self) -> Mapping[str, Any]:
        """For the recipe."""
        return asdict(self) | {"languages": None if self.languages is None else sorted(self.languages)}
