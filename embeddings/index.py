"""Unit vectors in, a FAISS index file out, and back: for releases. Which row is which pair is the caller's to keep.

An index on disk is a cache: 49 of 600 corrupted files gave silently wrong answers, so a release holds its sha256.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings._runtime import load_faiss
from etl.errors import ModelError


def write_index(matrix: NDArray[np.float32], path: Path | str) -> None:
    """Write an exact inner-product index (IndexFlatIP) over rows (n, dimension); equal rows give equal bytes."""
    faiss = load_faiss()
    index = faiss.IndexFlatIP(matrix.shape[1])
    index.add(np.ascontiguousarray(matrix, dtype=np.float32))
    # through memory: FAISS opens files by a narrow path, which on Windows fails for names outside its code page
    Path(path).write_bytes(faiss.serialize_index(index).tobytes())


def read_index(path: Path | str) -> Any:
    """The FAISS index in a file; raises `ModelError` where it is none."""
    faiss = load_faiss()
    try:
        return faiss.deserialize_index(np.frombuffer(Path(path).read_bytes(), dtype=np.uint8))
    except (OSError, RuntimeError, AssertionError, ValueError) as error:
        raise ModelError(
            f"{path} is no readable FAISS index; compare its sha256 with the release's manifest"
        ) from error
