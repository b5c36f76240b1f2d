"""The thresholds of `resolve` and the languages they hold for, each with where it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypedDict

from etl.errors import SettingsError

# The languages of the word lists behind the vetoes. Elsewhere a merge needs the very same words in the same order, but
# for slips of the pen in an answer that came twice, and for questions about one passage.
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
    by_language: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """When two linked pairs are merged, reviewed, or called answers to the same question.

    Similarities are those of the link's own method, 0 to 1, and both sides (question and answer) must reach the
    threshold. `languages` are those that the model declares; None takes it for every language.

    `merge_cosine` is what the labelled pairs of the tests bear out (`etl.calibrate.defaults` holds the figures). The
    others were chosen by reading on 33,161 pairs of Alpaca, NQ-open, COVID FAQs, GPTeacher, MedQuAD, OpenTriviaQA and
    chitchat (71,745 question links from cosine 0.8); docs/read-merges.md lists two later runs that were read. The
    similarities alone do not get there: at 0.98 for the question and 1.0 for the answer NQ-open still mixes up 'the
    super bowl' and 'the last super bowl'. What keeps merges right is that questions must ask about the same
    (`same_matter`) and the vetoes; the thresholds only bound what is looked at.
    """

    languages: tuple[str, ...] | None = ("en",)
    merge_cosine: float = 0.84
    merge_lexical: float = 0.8
    review_cosine: float = 0.84
    review_lexical: float = 0.7
    same_question: float = 0.9
    answer_words: float = 0.8
    # (language, name, value): a threshold that calibration found for pairs of one language
    by_language: tuple[tuple[str, str, float], ...] = ()

    def __post_init__(self) -> None:
        fields = {name: value for name, value in asdict(self).items() if name not in ("languages", "by_language")}
        for name, value in [*fields.items(), *((name, value) for _, name, value in self.by_language)]:
            if not 0.0 <= value <= 1.0:
                raise SettingsError(f"resolve: {name} is {value}; it must lie between 0 and 1")
        for language in (None, *sorted({language for language, _, _ in self.by_language})):
            for method in ("cosine", "lexical"):
                if self.at(f"merge_{method}", language) < self.at(f"review_{method}", language):
                    of = f" for {language}" if language else ""
                    raise SettingsError(f"resolve: the merge threshold lies below the review threshold of {method}{of}")

    def at(self, name: str, language: str | None) -> float:
        """A threshold as it holds for pairs of this language; None: where none was calibrated."""
        return next(
            (value for own, of, value in self.by_language if (own, of) == (language, name)), getattr(self, name)
        )

    @property
    def floor(self) -> float:
        """No link below this in question similarity can matter."""
        calibrated = [value for _, name, value in self.by_language if name.startswith("review_")]
        return min(self.review_cosine, self.review_lexical, self.same_question, *calibrated)

    def parameters(self) -> Mapping[str, Any]:
        """For the recipe; `by_language` only where something was calibrated."""
        told = asdict(self) | {"languages": None if self.languages is None else sorted(self.languages)}
        del told["by_language"]
        if self.by_language:
            told |= {f"{name} ({language})": value for language, name, value in sorted(self.by_language)}
        return told
