"""The one place where FAISS and torch are imported: faiss first, then torch, whoever asks.

Each brings an OpenMP runtime of its own; one fixed order keeps every run alike. faiss takes 0.1 s to import, so asking
for torch may always bring it along; asking for faiss never brings torch (1.1 s).

MKL, which multiplies torch's matrices on the CPU, is told to add up in one order whatever the number of rows. Without
it, on an Intel processor with AMX, a vector's last bits depend on the texts it is encoded beside (with MKL_CBWR=AUTO
tests/test_embeddings_encoder.py fails there). An `MKL_CBWR` that is set already stands, and where torch has multiplied
before it was first asked for here, the word comes too late.
"""

from __future__ import annotations

import os
from typing import Any

ONE_ORDER = "AUTO,STRICT"


def load_faiss() -> Any:
    """The module `faiss`."""
    import faiss

    return faiss


def load_torch(*, threads: int | None = None) -> Any:
    """The module `torch`, after faiss; `threads` sets how many cores one operation uses (None: leave as it is)."""
    load_faiss()
    os.environ.setdefault("MKL_CBWR", ONE_ORDER)
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    return torch


def load_sentence_transformers(*, threads: int | None = None) -> Any:
    """The module `sentence_transformers`, after faiss and torch."""
    load_torch(threads=threads)
    import sentence_transformers

    return sentence_transformers
