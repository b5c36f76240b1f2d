"""A folder with a sentence-transformers model in, an `Encoder` out.

Every batch is padded to a multiple of 8 tokens that depends on the text alone. On the CPU a text's vector was then
bitwise the same whatever stood beside it in the batch and in whatever order (measured with all-MiniLM-L6-v2: 280
batches of 1 to 16 rows, 8 to 256 tokens; on Intel processors `embeddings._runtime` sees to it), so a store filled in
many small runs equals one filled at once.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings._runtime import load_sentence_transformers, load_torch
from embeddings.encoder.base import encodable
from etl.errors import ModelError

PAD_TO = 8
BATCH_TOKENS = 4096  # keeps a batch of long texts inside the processor's cache; 64 short questions fit


class SentenceTransformerEncoder:
    """A text model loaded from a local folder: safetensors only, no code from the folder, no network."""

    engine = "torch"

    def __init__(
        self,
        folder: Path,
        *,
        name: str,
        languages: tuple[str, ...] | None = None,
        device: str | None = None,
        threads: int | None = None,
    ) -> None:
        """Find the model's files; its weights are read when the first text comes. Raises `ModelError`.

        `device` as torch names it (None: a GPU where there is one); `threads`: cores for torch.
        """
        self.name, self.languages, self.folder = name, languages, folder
        self.digest = weights_digest(folder)
        self._options: dict[str, Any] = {"device": device, "threads": threads}
        self._shape = _shape(folder)

    @cached_property
    def _model(self) -> Any:
        return _load(self.folder, **self._options)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._shape[0] if self._shape else int(self._model.get_embedding_dimension())

    @property
    def window(self) -> int:
        """Tokens that are read, special ones included."""
        return self._shape[1] if self._shape else int(self._model.max_seq_length or 512)

    @property
    def _prompt(self) -> str:
        name = self._model.default_prompt_name
        return str(self._model.prompts.get(name, "")) if name else ""

    def lengths(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Tokens of each whole text, (n,); cutting and padding, at 128 in the packaged tokenizer, are off."""
        if not texts:
            return np.zeros(0, dtype=np.int32)
        rows = [self._prompt + encodable(text) for text in texts]
        found = self._model.tokenizer(rows, truncation=False, padding=False, verbose=False, return_attention_mask=False)
        return np.fromiter((len(ids) for ids in found["input_ids"]), dtype=np.int32, count=len(rows))

    def windows(self, text: str, *, overlap: int) -> list[str]:
        """See `Encoder`. Cut between tokens, by their places in the text; nothing is left out."""
        text, tokenizer = encodable(text), self._model.tokenizer
        taken = int(self.lengths([""])[0])  # special tokens and the prompt, which each part gets anew
        found = tokenizer(text, truncation=False, padding=False, add_special_tokens=False, verbose=False,
                          return_offsets_mapping=True, return_attention_mask=False)  # fmt: skip
        places, size = found["offset_mapping"], self.window - taken
        parts = []
        for start in range(0, max(1, len(places) - overlap), size - overlap):
            stop = start + size
            first = places[start][0] if start else 0
            parts.append(text[first : places[stop - 1][1] if stop < len(places) else len(text)])
        return parts

    def encode(
        self, texts: Sequence[str], *, batch_size: int = 64, lengths: NDArray[np.int32] | None = None
    ) -> NDArray[np.float32]:
        """Vectors of unit length, (n, dimension), in the order of `texts`; at most `batch_size` rows at once."""
        result = np.zeros((len(texts), self.dimension), dtype=np.float32)
        rows = [encodable(text) for text in texts]
        counted = self.lengths(texts) if lengths is None else lengths
        for batch, width in _batches(rows, counted, window=self.window, batch_size=batch_size):
            result[batch] = self._forward([rows[i] for i in batch], width)
        return result

    def _features(self, rows: list[str], width: int) -> dict[str, Any]:
        fixed = {"text": {"padding": "max_length", "max_length": width, "truncation": True}}
        found: dict[str, Any] = self._model.preprocess(rows, prompt=self._prompt or None, processing_kwargs=fixed)
        return found

    def _forward(self, rows: list[str], width: int) -> NDArray[np.float32]:
        features = self._features(rows, width)
        device = self._model.device
        features = {k: v.to(device) if hasattr(v, "to") else v for k, v in features.items()}
        torch = load_torch()
        with torch.inference_mode():
            vectors = self._model(features)["sentence_embedding"].float()
            vectors = torch.nn.functional.normalize(vectors, p=2, dim=1)
        numbers: NDArray[np.float32] = vectors.cpu().numpy()
        return numbers


def weights_digest(folder: Path) -> str:
    """sha256 of the weights: of the file itself where there is one, else of the list of names and digests."""
    files = sorted(folder.rglob("*.safetensors"))
    files = [file for file in files if not {"onnx", "openvino"} & set(file.relative_to(folder).parts)]
    if not files:
        raise ModelError(
            f"{folder} holds no *.safetensors weights; other formats can run code while loading and are not read"
        )
    digests = [file_digest(file) for file in files]
    if len(files) == 1:
        return digests[0]
    listed = "\n".join(f"{d} {f.relative_to(folder).as_posix()}" for d, f in zip(digests, files, strict=True))
    return hashlib.sha256(listed.encode("utf-8")).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shape(folder: Path) -> tuple[int, int] | None:
    """(dimension, window) of a plain transformer with pooling, as configured; None where only loading tells."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        paths = {module["type"].rpartition(".")[2]: module["path"] for module in modules}
        pooling = json.loads((folder / paths["Pooling"] / "config.json").read_text(encoding="utf-8"))
        window = json.loads((folder / "sentence_bert_config.json").read_text(encoding="utf-8"))["max_seq_length"]
        dimension = pooling["word_embedding_dimension"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    modes = [mode for mode, used in pooling.items() if mode.startswith("pooling_mode_") and used]
    plain = paths.keys() <= {"Transformer", "Pooling", "Normalize"} and len(modes) == 1
    return (dimension, window) if plain and isinstance(dimension, int) and isinstance(window, int) else None


def _load(folder: Path, *, device: str | None, threads: int | None) -> Any:
    library = load_sentence_transformers(threads=threads)
    logging: Any = importlib.import_module("transformers.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        model = library.SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        reason = str(error).strip().splitlines()
        raise ModelError(
            f"the model in {folder} cannot be loaded: {reason[0] if reason else type(error).__name__}. "
            "Expected is a sentence-transformers folder (modules.json, config.json, tokenizer, model.safetensors)."
        ) from error
    finally:
        if shown:
            logging.enable_progress_bar()
    if not callable(getattr(model, "tokenizer", None)) or model.get_embedding_dimension() is None:
        raise ModelError(f"the model in {folder} is no text transformer: it has no tokenizer to count tokens with")
    model.eval()
    return model


def _batches(
    rows: Sequence[str], lengths: NDArray[np.int32], *, window: int, batch_size: int
) -> Iterator[tuple[list[int], int]]:
    """Row numbers of one padded width each, shortest first, and that width."""
    widths = np.minimum(-(-lengths // PAD_TO) * PAD_TO, window)
    order = sorted(range(len(rows)), key=lambda i: (widths[i], rows[i]))
    start = 0
    while start < len(order):
        width = int(widths[order[start]])
        most = max(1, min(batch_size, BATCH_TOKENS // width))
        stop = start
        while stop < len(order) and stop - start < most and widths[order[stop]] == width:
            stop += 1
        yield order[start:stop], width
        start = stop
