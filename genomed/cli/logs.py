"""Where messages go: words on stderr, and JSON lines in a file when one is asked for.

Only the command line configures logging; a library module says ``logging.getLogger(__name__)``.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from genomed.errors import OutputError

__all__ = ["JsonLines", "configure_logging"]

_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)  # by the number of -v
_STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _CurrentStderr(logging.StreamHandler):
    """Writes to whatever sys.stderr is at that moment, so a progress bar can step aside."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(_Words())

    @property
    def stream(self) -> object:
        return sys.stderr


class _Words(logging.Formatter):
    """``warning: text``, and the bare text for what was asked for with -v."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC, ISO 8601), level, logger, message, and all extras."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        entry |= {k: v for k, v in vars(record).items() if k not in _STANDARD_FIELDS}
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


def configure_logging(verbose: int = 0, quiet: bool = False, log_file: Path | None = None) -> None:
    """Send the messages of genomed to stderr, and all down to debug to `log_file`.

    verbose  : 0 warnings, 1 information, 2 or more everything
    quiet    : errors only, whatever `verbose` is
    log_file : JSON lines are appended to it
    raises   : OutputError when `log_file` cannot be opened

    Calling it again replaces what the call before set up.
    """
    logger = logging.getLogger("genomed")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    words = _CurrentStderr()
    words.setLevel(logging.ERROR if quiet else _LEVELS[min(verbose, 2)])
    logger.addHandler(words)
    logger.setLevel(words.level)
    logger.propagate = False
    if log_file is not None:
        logger.addHandler(_open_log_file(log_file))
        logger.setLevel(logging.DEBUG)


def _open_log_file(path: Path) -> logging.Handler:
    try:
        lines = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{path}: the log cannot be written ({error.strerror}); give --log-file another path"
        ) from error
    lines.setFormatter(JsonLines())
    return lines
