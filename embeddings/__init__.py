"""Vectors and links: which texts mean the same, by how much. Knows `etl`, not `quality`; loads no model by itself."""
