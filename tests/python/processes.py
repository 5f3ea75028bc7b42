"""Processes of their own that share a database and do what they are told, a line at a time.

A line names a service, a method of its client and the parameters, or the database's clock and a method of it; the answer is
a line as well. Run as a program, this is such a process.
"""

from __future__ import annotations

import json
import subprocess
import sys

import botocore.exceptions

import fdyno


class Refused(Exception):
    """The error that a call ended with over there: its code, and its message."""


class Process:
    """A process that has the database of `url` open."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, __file__, url]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_exception: object) -> None:
        # It ends when it is told nothing more, unless it was killed.
        self._process.communicate(timeout=60)

    def tell(self, target: str, method: str, **parameters: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([target, method, parameters]) + "\n")

    def answer(self):
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the process has ended"
        answer = json.loads(line)
        if "refused" in answer:
            raise Refused(*answer["refused"])
        return answer["answer"]

    def ask(self, target: str, method: str, **parameters: object):
        self.tell(target, method, **parameters)
        return self.answer()

    def db(self, method: str, **parameters: object):
        return self.ask("dynamodb", method, **parameters)

    def clock(self, method: str, **parameters: object):
        return self.ask("clock", method, **parameters)

    def kill(self) -> None:
        """As by `kill -9`."""
        self._process.kill()
        assert self._process.wait() < 0, "it had ended by itself"


def main(url: str) -> None:
    db = fdyno.connect(url)
    targets = {name: db.client(name, region_name="eu-west-1") for name in ("dynamodb", "dynamodbstreams")}
    for line in sys.stdin:
        target, method, parameters = json.loads(line)
        try:
            answer = {"answer": getattr(targets.get(target, db.clock), method)(**parameters)}
        except botocore.exceptions.ClientError as error:
            answer = {"refused": [error.response["Error"]["Code"], error.response["Error"]["Message"]]}
        # What is no JSON is a time.
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
