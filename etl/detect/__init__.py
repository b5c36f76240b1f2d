"""The bytes of one delivery in, a decision out: container, encoding, shape and field mapping, each with evidence."""

from etl.detect.format import MAPPING_CONFIDENCE, Format, Refusal

__all__ = ["MAPPING_CONFIDENCE", "Format", "Refusal"]
