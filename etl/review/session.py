"""A queue and a reviewer's choices in, decisions out: what a terminal and a page both drive."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from etl.errors import NotFoundError
from etl.resolve import Rules
from etl.review.decide import Decision, decide, take_back
from etl.review.queue import Item, queue
from etl.store import Store

_SIDES = """
    SELECT p.key, p.question, p.answer, p.context, p.sources, p.category, p.occurrences, g.language,
           (SELECT min(d.path) FROM occurrences o JOIN deliveries d USING (delivery) WHERE o.key = p.key) AS path
    FROM pairs p LEFT JOIN grades g USING (key) WHERE p.key IN (?, ?)
"""


@dataclass(slots=True)
class Session:
    """One reviewer's way through the queue. The store is asked in short reads and units, never held in between."""

    store: Store
    who: str
    waiting: deque[Item]
    total: int
    made: list[tuple[Item, Decision]] = field(default_factory=list)
    _gone: set[str] = field(default_factory=set)  # keys merged away here: questions about them answer themselves

    @classmethod
    def begin(
        cls,
        store: Store,
        *,
        who: str,
        kinds: Collection[str] = ("review",),
        rules: Rules | None = None,
        limit: int | None = None,
    ) -> Session:
        """Over the most informative open questions, at most `limit`."""
        found = queue(store, kinds=kinds, rules=rules, limit=limit)
        return cls(store, who, deque(found.items), found.total)

    @property
    def current(self) -> Item | None:
        """The question that is asked now; None at the end."""
        return next((item for item in self.waiting if self._gone.isdisjoint((item.stays, item.other))), None)

    @property
    def left(self) -> int:
        """How many questions of this session are still open."""
        return sum(self._gone.isdisjoint((item.stays, item.other)) for item in self.waiting)

    def sides(self, item: Item) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two pairs of a question with texts and origin: the one that stays first."""
        rows = {row["key"]: row for row in self.store.query(_SIDES, [item.stays, item.other]).to_dicts()}
        if len(rows) < 2:
            raise NotFoundError(f"a pair of {item.id} is not in the store any more; begin the review again")
        return rows[item.stays], rows[item.other]

    def question(self) -> tuple[Item, tuple[dict[str, Any], dict[str, Any]]] | None:
        """The current question with its two pairs; questions about a pair that has left the store are dropped."""
        while (item := self.current) is not None:
            try:
                return item, self.sides(item)
            except NotFoundError:
                self.waiting.remove(item)
        return None

    def decide(self, choice: str, *, note: str | None = None, item_id: str | None = None) -> Decision:
        """Decide about the current question; `item_id` guards against a page that shows an older one."""
        item = self._asked(item_id)
        try:
            made = decide(self.store, item.stays, item.other, choice, who=self.who, note=note)
        except NotFoundError:
            self.waiting.remove(item)
            raise
        self.waiting.remove(item)
        self.made.append((item, made))
        if choice.startswith("merge"):
            self._gone.add(item.stays if choice == "merge_swapped" else item.other)
        return made

    def skip(self, *, item_id: str | None = None) -> None:
        """Put the current question off: it comes again in another session."""
        self.waiting.remove(self._asked(item_id))

    def undo(self) -> Decision:
        """Take back the newest decision of this session; its question is asked again."""
        if not self.made:
            raise NotFoundError("nothing was decided here yet; `etl review undo` takes back earlier decisions")
        item, made = self.made[-1]
        taken = take_back(self.store, made.id, who=self.who)
        self.made.pop()
        self._gone.discard(item.stays if made.choice == "merge_swapped" else item.other)
        self.waiting.appendleft(item)
        return taken

    def _asked(self, item_id: str | None) -> Item:
        item = self.current
        if item is None:
            raise NotFoundError("nothing waits for a decision")
        if item_id is not None and item_id != item.id:
            raise NotFoundError("another question is open now: this one was decided or skipped before")
        return item
