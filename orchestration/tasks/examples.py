"""The classic eight: the queue that the first version began with, as tasks of this one."""

from __future__ import annotations

from orchestration.control.store import Control
from orchestration.tasks.queue import Spec, add

CLASSIC: tuple[Spec, ...] = (
    Spec(
        "integrate_sessions_101_140", "Integrate sessions 101 to 140, about 4,000 pairs", 1, "ingest",
        {"sessions": "101-140"}, estimate={"tokens": 100_000}, total=40,
    ),
    Spec(
        "integrate_claude_shared", "Integrate the shared base, 2,000 to 7,000 pairs", 2, "ingest",
        {"input": "inbox/claude_shared/**/*"}, estimate={"tokens": 60_000},
    ),
    Spec(
        "integrate_sessions_141_187", "Integrate sessions 141 to 187, about 4,700 pairs", 3, "ingest",
        {"sessions": "141-187"}, estimate={"tokens": 120_000}, total=47,
    ),
    Spec(
        "quality_analysis_full_database", "Quality analysis of the whole store", 4, "assess+audit+report",
        estimate={"tokens": 40_000},
    ),
    Spec(
        "embeddings_generation_batch_1", "Embeddings, first 10,000 texts", 5, "embed",
        {"limit": 10_000}, estimate={"tokens": 30_000}, total=10_000,
    ),
    Spec(
        "deduplication_analysis", "Find and decide duplicates by cosine similarity", 6, "link+resolve",
        needs=("embeddings_generation_batch_1",), estimate={"tokens": 50_000},
    ),
    Spec("database_export_for_rag", "A release in the RAG formats", 7, "split+export"),
    Spec("backup_and_archive", "A verified snapshot as a safety checkpoint", 8, "snapshot"),
)  # fmt: skip


def classic_eight(control: Control) -> list[str]:
    """Queue the classic eight, those that are not there yet; returns the names added. Priorities and estimates are the
    first version's; each waits until its input is there."""
    with control.transaction():
        known = {row["task"] for row in control.rows("SELECT task FROM tasks")}
        return [add(control, spec).name for spec in CLASSIC if spec.name not in known]
