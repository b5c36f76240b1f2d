"""Texts in, unit vectors out. `open_encoder(name)` finds a model by name; `HashEncoder` needs none."""

from embeddings.encoder.base import Encoder, encodable
from embeddings.encoder.hashed import HashEncoder
from embeddings.encoder.opening import DEFAULT_MODEL, open_encoder
from embeddings.encoder.transformer import SentenceTransformerEncoder

__all__ = ["DEFAULT_MODEL", "Encoder", "HashEncoder", "SentenceTransformerEncoder", "encodable", "open_encoder"]
