"""What the exit code of `wk-assets` tells a script, decided once, by error type.

Pure: no process is ended here (see `main`).
"""

import errno
from enum import IntEnum

from wk_assets.errors import InputError, LockedError, PlanError, PropertiesError, ServerError, SourceError, StorageError


class ExitCode(IntEnum):
    """Name each exit code. The table in the README is checked against this one."""

    OK = 0
    UNEXPECTED = 1  # a defect of wk-assets: worth a report with the output of --debug
    USAGE = 2  # an unknown command or option, a value that is not one
    CONFIGURATION = 3  # wk_assets.yaml, or what was asked for, contradicts itself
    SOURCE = 4  # what the microscope wrote can not be imported as it is
    STORAGE = 5  # disk full, not writable, a damaged or missing dataset
    LOCKED = 6  # somebody else is writing the same thing; later it works
    FINDINGS = 7  # the command worked and found something wrong: `check`, a failed asset check, a failed run
    SERVER = 8  # a WEBKNOSSOS server was not reached, or refuses
    INTERRUPTED = 130  # Ctrl-C


_STORAGE_ERRNOS = frozenset(
    {
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
        *(errno.EROFS, errno.EACCES, errno.EPERM),
        *(errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
        *(errno.EIO, errno.ESTALE),
    }
)


def exit_code(error: BaseException) -> ExitCode:
    """Choose the exit code of an error."""
    if isinstance(error, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    if isinstance(error, LockedError):
        return ExitCode.LOCKED
    if isinstance(error, ServerError):
        return ExitCode.SERVER
    if isinstance(error, StorageError | PropertiesError):
        return ExitCode.STORAGE
    if isinstance(error, SourceError):
        return ExitCode.SOURCE
    if isinstance(error, InputError | PlanError):
        return ExitCode.CONFIGURATION
    if isinstance(error, OSError) and error.errno in _STORAGE_ERRNOS:
        return ExitCode.STORAGE
    return ExitCode.UNEXPECTED
