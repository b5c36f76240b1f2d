"""Which pairs are alike, by how much, in question and in answer: two finders, one job, no decisions."""

from embeddings.link.job import JOB, link, pending, recipe

__all__ = ["JOB", "link", "pending", "recipe"]
