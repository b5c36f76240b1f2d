"""XML text in, a tree of plain nodes out, with the expat of the standard library.

What makes XML dangerous is refused before it takes effect: declarations of entities (bombs, external files) end the
parse, no file or address is ever opened, and depth is limited.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from etl.detect.format import Refusal

_DEPTH = 200  # the deepest known delivery needs six


@dataclass(slots=True, eq=False)
class Node:
    """One element: its name without a prefix, attributes, and texts and elements in their order."""

    name: str
    attributes: dict[str, str]
    line: int
    content: list[Node | str] = field(default_factory=list)

    @property
    def elements(self) -> list[Node]:
        """The child elements."""
        return [child for child in self.content if isinstance(child, Node)]

    @property
    def own_text(self) -> str:
        """The text that stands directly in this element."""
        return "".join(child for child in self.content if isinstance(child, str))

    def walk(self) -> Iterator[Node]:
        """This element and all below it, in the order of the text."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.elements))

    def text(self) -> str:
        """All text in it. Elements with nothing but white space between them are paragraphs, one a line."""
        if all(isinstance(child, str) for child in self.content):
            return self.own_text
        parts = [child if isinstance(child, str) else child.text() for child in self.content]
        if self.own_text.strip():
            return "".join(parts)
        return "\n".join(part.strip() for part in parts if part.strip())


class BadXmlError(ValueError):
    """Not to be read. `refusal` says why."""

    def __init__(self, reason: str, evidence: str) -> None:
        super().__init__(evidence)
        self.refusal = Refusal(reason, evidence)


def parse_xml(text: str) -> Node:
    """The root of a well-formed text. Raises BadXmlError: `broken_xml`, `unsafe_xml` or `too_deep`."""
    builder = _Builder()
    try:
        builder.parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        where = f"line {error.lineno}, column {error.offset + 1}"
        raise BadXmlError("broken_xml", f"{where}: {expat.ErrorString(error.code)}") from None
    return builder.open[0].elements[0]


class _Builder:
    """What expat calls."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8")  # the text is decoded already, whatever its first line says
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.EntityDeclHandler = self._unsafe
        self.parser.UnparsedEntityDeclHandler = self._unsafe
        self.parser.ExternalEntityRefHandler = self._unsafe
        self.parser.SkippedEntityHandler = self._skipped
        self.open = [Node("", {}, 0)]

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.open) > _DEPTH:
            raise BadXmlError("too_deep", f"line {self._line}: more than {_DEPTH} elements inside each other")
        node = Node(_local(name), {_local(key): value for key, value in attributes.items()}, self._line)
        self.open[-1].content.append(node)
        self.open.append(node)

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _text(self, text: str) -> None:
        self.open[-1].content.append(text)

    def _unsafe(self, *_: object) -> bool:
        raise BadXmlError("unsafe_xml", f"line {self._line}: declares or fetches an entity, which is never followed")

    def _skipped(self, name: str, is_parameter: bool) -> None:
        """A name of a DTD that is not read: those of HTML are known, others stay as they were written."""
        if not is_parameter:
            self.open[-1].content.append(html.unescape(f"&{name};"))

    @property
    def _line(self) -> int:
        return self.parser.CurrentLineNumber


def _local(name: str) -> str:
    return name.rpartition(":")[2]
