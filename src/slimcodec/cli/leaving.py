"""The end of the command's process.

Python and ONNX Runtime take 40 ms to put away what the system takes back at once. So a process
whose verb ended well does what others asked to be done at its end (temporary folders, logs,
coverage), empties its streams and is gone. In any other case it ends as every Python program does.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading

from slimcodec.cli.app import main

__all__ = ["run"]


def run() -> None:
    """Entry point of the process: ``main``, and then the end."""
    try:
        main()
    except SystemExit as stop:
        if stop.code:
            raise
    if not _awaited():
        _leave()
    sys.exit(0)


def _awaited() -> bool:
    """Whether someone waits for an ordinary end: a thread that is not done, a profiler or debugger,
    or whoever wants a prompt afterwards."""
    others = (one for one in threading.enumerate() if one is not threading.main_thread())
    return (
        any(not one.daemon for one in others)
        or sys.getprofile() is not None
        or sys.gettrace() is not None
        or bool(sys.flags.interactive or sys.flags.inspect)
    )


def _leave() -> None:
    """Returns only where a stream cannot be emptied; Python says so in its own way then."""
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (OSError, ValueError):
        return
    os._exit(0)
