"""A folder of the first version in; what each of its files is, its newest whole base, and what its books claim out.

Nothing here writes to that folder.
"""

from etl.migrate.balance import balance
from etl.migrate.base import Base, newest
from etl.migrate.claims import claims, compared
from etl.migrate.folder import Old, survey

__all__ = ["Base", "Old", "balance", "claims", "compared", "newest", "survey"]
