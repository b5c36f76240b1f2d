"""An open session in; out a text to paste or pipe to the agent that goes on: task, state, next action, rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestration.quota.quota import Standing

RULES = """\
## Rules

- Work only on this task. After each item record it, with your total of tokens in this session so far:
  `etl session checkpoint --progress N/TOTAL --tokens TOTAL --description "..." --done ITEM --next "..."`
- `etl quota --check` exits 4 when it is time to wrap: finish the open item, record it, then `etl session wrap`.
- Record what a successor needs: `--context key=value`, `--files PATH`, `--problem "..."`. Never a password or a key.
- When everything is done, record the last progress and wrap: the task is then checked, graded and completed."""


def prompt(handoff: Mapping[str, Any], text: str, standings: list[Standing]) -> str:
    """The text. `text` is the handoff as Markdown, `standings` the limits of the session."""
    limits = [
        f"- {s.limit.name}: {s.used:,.6g} of {s.limit.amount:,.6g} {s.limit.resource}, wrap from {s.limit.work:,.6g}"
        for s in standings
    ]
    head = [
        f"You are {handoff['agent'] or 'an agent'} and go on with the task {handoff['task']['name']}.",
        f"Your session is {handoff['session']}. What follows is derived from the books.",
        "",
    ]
    return "\n".join([*head, text, "## Limits", "", *limits, "", RULES, ""])
