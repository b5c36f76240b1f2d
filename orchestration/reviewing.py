"""A review session and a stream of keys in, one decision a key out: the terminal form of `etl review`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from etl.errors import NotFoundError
from etl.store.store import FILE

if TYPE_CHECKING:
    from etl.resolve import Rules
    from etl.review import Decision, Item, Queue, Session
    from etl.store import Store
    from orchestration.workspace import Workspace
    from quality.report.differences import Runs

KEYS = {
    "m": "merge",
    "k": "keep_both",
    "c": "conflict",
    "1": "left_right",
    "2": "right_right",
    "b": "both_right",
}
HELP = {
    "m": "merge: they are the same",
    "k": "keep both, never ask again",
    "c": "conflict: they contradict each other",
    "s": "swap which one survives a merge",
    "n": "skip: ask another time",
    "u": "undo the last decision",
    "1": "the first is right",
    "2": "the second is right",
    "b": "both are right",
    "q": "quit; the rest waits",
}
CONFLICT_ONLY = "12b"
TEXT_CHARS = 2_400
COMPARED_TOKENS = 2_000
_BOLD, _MARK, _SOFT, _END = "\x1b[1m", "\x1b[7m", "\x1b[2m", "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended: decisions made and still standing, and questions left."""

    decided: int
    left: int
    quit: bool


def keys_of(stream: TextIO) -> Iterator[str]:
    """One key at a time: single key presses on a terminal, characters that are no white space elsewhere."""
    if stream.isatty():
        import typer

        while True:
            key = typer.getchar()
            if key in ("\x03", "\x04", "\x1a", ""):
                raise KeyboardInterrupt
            yield key.lower()
    for line in stream:
        yield from (key.lower() for key in line if not key.isspace())


def review(session: Session, keys: Iterator[str], say: Callable[[str], None], *, colour: bool = False) -> Outcome:
    """Ask question after question until the queue or the keys are at their end; Ctrl-C is a quit."""
    swapped = False
    shown: Item | None = None
    try:
        while (asked := session.question()) is not None:
            item = asked[0]
            if item is not shown:
                swapped, shown = False, item
                say(_question(session, *asked, swapped, colour=colour))
            key = next(keys, "q")
            if key == "q":
                return Outcome(len(session.made), session.left, True)
            if key == "s":
                swapped = not swapped
                say(_question(session, *asked, swapped, colour=colour))
            else:
                say(_act(session, item, key, swapped=swapped))
    except KeyboardInterrupt:
        return Outcome(len(session.made), session.left, True)
    return Outcome(len(session.made), 0, False)


def _act(session: Session, item: Item, key: str, *, swapped: bool) -> str:
    try:
        if key == "u":
            return f"  {session.undo().text}"
        if key == "n":
            session.skip(item_id=item.id)
            return "  skipped"
        if key in KEYS and (key not in CONFLICT_ONLY or item.kind == "conflict"):
            return f"  {session.decide(choice_of(KEYS[key], swapped=swapped), item_id=item.id).text}"
    except NotFoundError as error:
        return f"  {error}"
    shown = [f"{name} {what}" for name, what in HELP.items() if name not in CONFLICT_ONLY or item.kind == "conflict"]
    return "  " + "; ".join(shown)


def choice_of(choice: str, *, swapped: bool) -> str:
    """The choice as it is meant when the two sides stand the other way round."""
    turned = {"merge": "merge_swapped", "left_right": "right_right", "right_right": "left_right"}
    return turned.get(choice, choice) if swapped else choice


def why(item: Item) -> str:
    """What the rules made of an item, and how alike the two are, in one line."""
    from etl.explain.words import said

    figures = [
        f"{name} {question:.2f}/{answer:.2f}"
        for name, question, answer in (
            ("meaning", item.question_cosine, item.answer_cosine),
            ("words", item.question_lexical, item.answer_lexical),
        )
        if question is not None and answer is not None
    ]
    veto = item.veto
    spans = f" ({veto['in']}: {', '.join(veto['a']) or '-'} | {', '.join(veto['b']) or '-'})" if veto else ""
    return f"{said(item.reason)}{spans}; alike by {', '.join(figures) or 'nobody but a person'}"


def _question(
    session: Session, item: Item, both: tuple[dict[str, Any], dict[str, Any]], swapped: bool, *, colour: bool
) -> str:
    first, second = both
    if swapped:
        first, second = second, first
    roles = [f"{role}; {_origin(pair)}" for pair, role in ((first, "stays"), (second, "would join it"))]
    lines = ["", "─" * 72, f"{item.kind}, {session.left} left: {why(item)}"]
    lines.append(side_by_side(first, second, roles=roles, colour=colour))
    asked = "m merge  k keep both  c conflict  s swap  n skip  u undo  q quit"
    if item.kind == "conflict":
        asked = "1 first is right  2 second is right  b both are right  " + asked
    return "\n".join([*lines, "", asked])


def side_by_side(
    first: Mapping[str, Any], second: Mapping[str, Any], *, roles: Sequence[str] = ("", ""), colour: bool = False
) -> str:
    """Two pairs as text, one below the other, with what differs marked in both."""
    from quality.report.differences import differences

    sides = {
        part: differences(_cut(first[part]), _cut(second[part]), most=COMPARED_TOKENS)
        for part in ("question", "answer")
    }
    lines = []
    for number, (pair, role) in enumerate(zip((first, second), roles, strict=True)):
        lines += ["", _soft(f"{number + 1}  {pair['key'][:10]} {role}".rstrip(), colour)]
        if pair["context"]:
            lines.append(_soft(f"context: {_cut(pair['context'], 300)}", colour))
        sign = "-+"[number]
        lines.append(_bold(_marked(sides["question"][number], sign, colour), colour))
        lines.append(_marked(sides["answer"][number], sign, colour))
    return "\n".join(lines)


def _origin(pair: dict[str, Any]) -> str:
    parts = [Path(pair["path"]).name if pair["path"] else "", pair["language"] or "", pair["category"] or ""]
    return _cut(", ".join(part for part in parts if part), 100)


def _cut(text: str, limit: int = TEXT_CHARS) -> str:
    from quality.audit.samples import visible

    clean = visible(text)
    return clean if len(clean) <= limit else f"{clean[:limit]} … ({len(clean) - limit:,} more characters)"


def _marked(runs: Runs, sign: str, colour: bool) -> str:
    if colour:
        return "".join(f"{_MARK}{text}{_END}" if differs else text for text, differs in runs)
    return "".join(f"[{sign}{text}{sign}]" if differs and not text.isspace() else text for text, differs in runs)


def _bold(text: str, colour: bool) -> str:
    return f"{_BOLD}{text.replace(_END, _END + _BOLD)}{_END}" if colour else text


def _soft(text: str, colour: bool) -> str:
    return f"{_SOFT}{text}{_END}" if colour else text


@contextmanager
def open_session(
    workspace: Workspace, *, who: str, kinds: Collection[str] = ("review",), limit: int | None = None
) -> Iterator[Session]:
    """A session over the live store; what was decided is published in a snapshot at its end.

    The store is open for writing, which holds its lock for each read and unit and at most a second after it.
    """
    from etl.review import Session
    from etl.store import snapshot

    with existing(workspace) as store:
        session = Session.begin(store, who=who, kinds=kinds, rules=_rules(workspace, store), limit=limit)
        before = store.last_seq("override")
        try:
            yield session
        finally:
            if store.last_seq("override") != before:
                snapshot.create(store)


def open_queue(workspace: Workspace, *, kinds: Collection[str] = ("review",), limit: int | None = None) -> Queue:
    """The queue as it stands now."""
    from etl.review import queue

    with existing(workspace, look=True) as store:
        return queue(store, kinds=kinds, rules=_rules(workspace, store), limit=limit)


def undo(workspace: Workspace, number: int | None, *, who: str) -> Decision:
    """Take back a decision by its id, else the newest of this person; published in a snapshot."""
    from etl.review import newest, take_back
    from etl.store import snapshot

    with existing(workspace) as store:
        taken = take_back(store, newest(store, who=who) if number is None else number, who=who)
        snapshot.create(store)
    return taken


def told(session: Session) -> tuple[dict[str, Any], str]:
    """The outcome for programs and for people."""
    made = [{"id": d.id, "stays": d.stays, "other": d.other, "choice": d.choice} for _, d in session.made]
    data = {"decided": len(made), "left": session.left, "open": session.total, "decisions": made}
    if not session.total:
        return data, "nothing waits for a decision"
    count = f"{len(made):,} decision{'' if len(made) == 1 else 's'}"
    return data, f"{count}, {session.left:,} left" + ("; 'etl run' brings decisions up to date" if made else "")


def existing(workspace: Workspace, *, look: bool = False) -> Store:
    """The store of a workspace, open for writing, or to `look` at what is there now; raises `NotFoundError` rather than
    making one."""
    if not (workspace.root / FILE).exists():
        raise NotFoundError(f"no store at {workspace.root / FILE}: 'etl run' makes one")
    return workspace.live() if look else workspace.store(write=True)


def _rules(workspace: Workspace, store: Store) -> Rules:
    from etl.resolve import Rules
    from orchestration.pipeline import Pipeline

    return Rules(**Pipeline(workspace, store).rules)
