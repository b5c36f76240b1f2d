"""A review session in; a page on this machine's own address out, one decision a click or a key."""

from orchestration.review_web.app import application
from orchestration.review_web.server import serve

__all__ = ["application", "serve"]
