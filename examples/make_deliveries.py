"""Write the example deliveries and their answer key from the pairs in `examples/pairs/*.toml`.

In: readable pairs, the list of deliveries, and what was planted on purpose. Out: every file under
`deliveries/`, byte for byte the same each time, and `KEY.md` and `key.json`, which say what a run
should find. Standard library only.

    python examples/make_deliveries.py            writes the files
    python examples/make_deliveries.py --check    exits 1 if a file on disk differs
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from builder.key import answer_key, check_exact_duplicates, key_page
from builder.records import (
    HERE,
    Delivery,
    Placed,
    Record,
    mojibake,
    read_planted,
    read_toml,
    read_topics,
    spread,
    typographic,
)
from builder.shapes import SHAPES, to_json


def build() -> Iterator[Delivery]:
    topics = read_topics()
    planted = read_planted(topics)
    undelivered = {r.indicator for r in topics}
    carried: dict[str, list[Record]] = {}
    for plan in read_toml("deliveries")["delivery"]:
        path, wanted = plan["path"], plan.get("indicators", [])
        undelivered -= set(wanted)
        honest = [r for name in wanted for r in topics if r.indicator == name]
        records = spread(honest, [r for r in planted if r.into == path])
        records = carried[path] = carried.get(plan.get("copy_of", ""), records)
        for change in [typographic] * ("typographic" in plan) + [mojibake] * ("mojibake" in plan):
            records = [replace(r, question=change(r.question or ""), answer=change(r.answer or "")) for r in records]
        options = {k: plan[k] for k in ("encoding", "line_end") if k in plan}
        content, places = SHAPES[plan["shape"]](records, **options)
        placed = [Placed(path, position, record) for position, record in places]
        yield Delivery(path, content, placed, plan.get("refused"), plan["why"])
    if undelivered:
        raise SystemExit(f"deliveries.toml: nobody delivers {sorted(undelivered)}")


def main(arguments: list[str]) -> int:
    deliveries = list(build())
    check_exact_duplicates(deliveries)
    key = answer_key(deliveries)
    files = {HERE / "deliveries" / d.path: d.content for d in deliveries}
    files[HERE / "key.json"] = to_json(key)
    files[HERE / "KEY.md"] = key_page(deliveries, key).encode("utf-8")
    if arguments == ["--check"]:
        stale = [p for p, content in files.items() if not p.exists() or p.read_bytes() != content]
        for path in stale:
            print(f"{path.relative_to(HERE)} differs; run python examples/make_deliveries.py")
        return 1 if stale else 0
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    print(f"{len(deliveries)} deliveries, {sum(len(d.placed) for d in deliveries)} records")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
