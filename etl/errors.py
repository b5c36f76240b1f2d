"""Every error that a user can meet, one family with one root.

    MotherlodeError
    ├── SettingsError          a setting, option or workspace that cannot be used as given
    ├── NotFoundError          a key, delivery, release or snapshot that does not exist
    ├── DeliveryError          a path that cannot be read at all (a bad *content* is recorded, not raised)
    ├── RateLimitedError       a provider asks to be called less often
    ├── ModelError             an embedding model that is missing, altered or does not fit
    └── StoreError             the database
        ├── StoreLockedError       another process holds it
        ├── StoreDamagedError      commits are missing or a copy does not verify
        ├── StoreVersionError      written by another version of Motherlode
        ├── FencedOffError         a newer holder of the same task has taken over
        └── DiskFullError          no room for what was asked

A message says what was found, what was expected and what to do next; the command line prints it as one line.
`HardStop` is no error: a meter raises it to end the open unit, which is then rolled back.
"""


class MotherlodeError(Exception):
    """Root of all errors that the user can mend."""


class SettingsError(MotherlodeError):
    """A setting, option or workspace cannot be used as given."""


class NotFoundError(MotherlodeError):
    """Something was asked for by name and does not exist."""


class DeliveryError(MotherlodeError):
    """A path cannot be read at all."""


class RateLimitedError(MotherlodeError):
    """A provider answered 429; `retry_after_s` is how long it asks to be left alone, None where it did not say."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ModelError(MotherlodeError):
    """An embedding model is missing, altered or does not fit the store."""


class StoreError(MotherlodeError):
    """The database cannot do what was asked."""


class StoreLockedError(StoreError):
    """Another process held the store for longer than we were told to wait."""


class StoreDamagedError(StoreError):
    """The store or a snapshot is not what its books say."""


class StoreVersionError(StoreError):
    """The store was written by a version of Motherlode that this one does not know."""


class FencedOffError(StoreError):
    """A newer holder of the same task has written; this one must stop."""


class DiskFullError(StoreError):
    """There is not enough room on the disk."""


class HardStop(BaseException):
    """Raised by a meter: roll the open unit back and stop."""
