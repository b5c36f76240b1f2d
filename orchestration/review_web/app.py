"""Requests in, pages and decisions out: a WSGI application over one review session.

Every address begins with the token; without it, or under another host name, nothing is answered. Changes come by POST
from the page itself. Everything a stranger wrote is escaped, and the page may load nothing but its own two files.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from etl.errors import MotherlodeError, NotFoundError
from orchestration.reviewing import choice_of, why

if TYPE_CHECKING:
    from bottle import Bottle
    from jinja2 import Template

    from etl.review import Item, Session

MOST_BODY = 64 * 1024
NOTE_CHARS = 500
COMPARED_TOKENS = 2_000
FILES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # 'no-referrer' would take the origin from our own forms
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(slots=True)
class Desk:
    """The session with what the page says next; one request at a time touches it."""

    session: Session
    said: str = ""
    guard: threading.Lock = field(default_factory=threading.Lock)


def application(session: Session, *, token: str, hosts: Collection[str]) -> Bottle:
    """The pages of one session. `hosts` are the values of the Host header that are answered, such as 127.0.0.1:8000."""
    from bottle import Bottle, abort, redirect, request, response

    app, desk = Bottle(), Desk(session)
    app.error_handler.update(dict.fromkeys((400, 403, 404, 405, 413, 500), _plain_error))

    def guard() -> None:
        for name, value in HEADERS.items():
            response.set_header(name, value)
        if request.get_header("Host", "") not in hosts:
            abort(403, "this page answers only under its own address")
        given = request.path.split("/")[1].encode("utf-8", "replace")
        if not hmac.compare_digest(given, token.encode("ascii")):
            abort(403, "the address is not whole: open the one that etl review printed")
        if request.method == "POST":
            _check_post(request, hosts, abort)

    def show() -> str:
        with desk.guard:
            said, desk.said = desk.said, ""
            return page(session, swapped=request.query.get("swap") == "1", said=said)

    def file(name: str) -> bytes:
        if name not in FILES:
            abort(404, "there is no such file")
        response.set_header("Content-Type", FILES[name])
        return resources.files("orchestration.review_web").joinpath(name).read_bytes()

    def act(what: str) -> None:
        with desk.guard:
            desk.said = _act(session, what, request.forms)
        redirect(f"/{token}/", 303)

    app.add_hook("before_request", guard)
    app.route(f"/{token}/", "GET", show)
    app.route(f"/{token}/<name>", "GET", file)
    app.route(f"/{token}/<what:re:decide|skip|undo>", "POST", act)
    return app


def page(session: Session, *, swapped: bool = False, said: str = "") -> str:
    """The whole page: the current question, or that there is none."""
    asked = session.question()
    item = asked[0] if asked else None
    shown: dict[str, Any] = {"sides": [], "why": ""}
    if asked is not None:
        shown = {"sides": _sides(*asked, swapped), "why": why(asked[0] if not swapped else _turned(asked[0]))}
    return _template().render(
        item=item,
        swapped=swapped,
        said=said,
        left=session.left,
        who=session.who,
        total=session.total,
        made=[(made.text, kind.reason) for kind, made in reversed(session.made[-8:])],
        decided=len(session.made),
        **shown,
    )


def _act(session: Session, what: str, form: Any) -> str:
    """Do what a form asks for; returns what the next page says."""
    try:
        if what == "undo":
            return session.undo().text
        item_id = form.getunicode("item", "")
        if what == "skip":
            session.skip(item_id=item_id)
            return "skipped; it comes again next time"
        note = form.getunicode("note", "").strip()[:NOTE_CHARS] or None
        choice = choice_of(form.getunicode("choice", ""), swapped=form.get("swapped") == "1")
        return session.decide(choice, note=note, item_id=item_id).text
    except NotFoundError as error:
        return str(error)
    except MotherlodeError as error:
        return f"nothing was done: {error}"


def _check_post(request: Any, hosts: Collection[str], abort: Callable[[int, str], object]) -> None:
    if request.content_length > MOST_BODY:
        abort(413, "this is more than a decision needs")
    origin = request.get_header("Origin")
    if origin is not None and (urlsplit(origin).scheme != "http" or urlsplit(origin).netloc not in hosts):
        abort(403, "decisions come from this page only")
    if request.get_header("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(403, "decisions come from this page only")


def _sides(item: Item, both: Sequence[dict[str, Any]], swapped: bool) -> list[dict[str, Any]]:
    """Both pairs with their texts cut into runs that both have and runs that only one has."""
    from quality.audit.samples import visible
    from quality.report.differences import differences

    pairs = list(both)
    grades = [item.grade_stays, item.grade_other]
    if swapped:
        pairs.reverse()
        grades.reverse()
    texts = [{part: visible(pair[part]) for part in ("question", "answer")} for pair in pairs]
    runs = {part: differences(*(text[part] for text in texts), most=COMPARED_TOKENS) for part in texts[0]}
    return [
        {
            "key": pair["key"],
            "grade": grades[number],
            "question": runs["question"][number],
            "answer": runs["answer"][number],
            "context": visible(pair["context"] or ""),
            "origin": [visible(part) for part in (_file(pair), pair["language"], pair["category"]) if part],
            "occurrences": pair["occurrences"],
        }
        for number, pair in enumerate(pairs)
    ]


def _file(pair: dict[str, Any]) -> str:
    """The delivered file, with its folder."""
    return "/".join(Path(pair["path"] or "").parts[-2:])


def _turned(item: Item) -> Item:
    from dataclasses import replace

    veto = item.veto and item.veto | {"a": item.veto["b"], "b": item.veto["a"]}
    return replace(item, veto=veto)


def _plain_error(error: Any) -> str:
    from bottle import response

    for name, value in HEADERS.items():
        response.set_header(name, value)
    response.set_header("Content-Type", "text/plain; charset=utf-8")
    return f"{error.status_line}: {error.body if error.status_code != 500 else 'see the terminal'}\n"


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    source = resources.files("orchestration.review_web").joinpath("page.html.j2").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["number"] = lambda value: f"{value:,}"
    return environment.from_string(source)
