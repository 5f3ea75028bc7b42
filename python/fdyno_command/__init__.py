"""What the shell's `fdyno` starts: the command, importing which takes a moment, and Ctrl-C in that moment.

The package `fdyno` imports botocore, so it cannot itself say what becomes of an interrupt while it is imported. This one
imports nothing that takes time, and knows nothing of what the command does.
"""

from __future__ import annotations

#: What a shell takes for "ended by Ctrl-C".
INTERRUPTED = 130


def main() -> int:
    """Runs the command; its exit code. The command says by itself what an interrupt left, where there is anything to say."""
    try:
        from fdyno import _cli

        return _cli.main()
    except KeyboardInterrupt:
        return INTERRUPTED
