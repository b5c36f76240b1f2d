"""The parts of `make_deliveries.py`: records, the shapes they are delivered in, the answer key."""
