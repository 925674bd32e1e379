"""What says that the embedded Postgres cannot be started."""


class EmbeddedPostgresError(Exception):
    """The server cannot be started; the message says why and what to do."""
