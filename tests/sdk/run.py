"""Smoke tests of other languages' SDKs and of the AWS CLI against `fdyno serve`, each installed below target/sdk.

    python tests/sdk/run.py [javascript] [go] [cli]

Without names, all whose tools are there; at least two have to be. The server verifies every signature.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target" / "sdk"
READY = "fdyno is ready at "
KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CLI = "awscli==1.46.3"


def environment(url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "FDYNO_ENDPOINT": url,
        "AWS_ACCESS_KEY_ID": KEYS[0],
        "AWS_SECRET_ACCESS_KEY": KEYS[1],
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def copied(name: str) -> Path:
    """A copy of a folder to install in, with what was installed before."""
    folder = TARGET / name
    shutil.copytree(HERE / name, folder, dirs_exist_ok=True)
    return folder


def javascript(url: str) -> None:
    folder = copied("javascript")
    subprocess.run(
        ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True
    )
    subprocess.run(["node", "smoke.mjs"], cwd=folder, env=environment(url), check=True)


def go(url: str) -> None:
    folder = copied("go")
    binary = folder / "smoke"
    subprocess.run(["go", "build", "-o", str(binary), "."], cwd=folder, check=True)
    subprocess.run([str(binary)], env=environment(url), check=True)


def cli(url: str) -> None:
    folder = TARGET / "cli"
    aws = folder / "bin" / "aws"
    if not aws.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "pip"), "install", "--quiet", CLI], check=True)

    def call(service: str, *arguments: str) -> dict[str, Any]:
        command = [str(aws), service, *arguments, "--endpoint-url", url, "--output", "json"]
        ended = subprocess.run(command, env=environment(url), check=True, stdout=subprocess.PIPE)
        return json.loads(ended.stdout) if ended.stdout.strip() else {}

    definition = {
        "--table-name": "cli",
        "--billing-mode": "PAY_PER_REQUEST",
        "--attribute-definitions": "AttributeName=pk,AttributeType=S",
        "--key-schema": "AttributeName=pk,KeyType=HASH",
        "--stream-specification": "StreamEnabled=true,StreamViewType=KEYS_ONLY",
    }
    call("dynamodb", "create-table", *(word for pair in definition.items() for word in pair))
    call("dynamodb", "wait", "table-exists", "--table-name", "cli")
    call("dynamodb", "put-item", "--table-name", "cli", "--item", '{"pk": {"S": "a"}, "n": {"N": "1"}}')
    got = call("dynamodb", "get-item", "--table-name", "cli", "--key", '{"pk": {"S": "a"}}')
    assert got == {"Item": {"pk": {"S": "a"}, "n": {"N": "1"}}}, got
    scanned = call("dynamodb", "scan", "--table-name", "cli")
    assert scanned["Count"] == 1, scanned
    streams = call("dynamodbstreams", "list-streams", "--table-name", "cli")
    (stream,) = streams["Streams"]
    described = call("dynamodbstreams", "describe-stream", "--stream-arn", stream["StreamArn"])
    (shard,) = described["StreamDescription"]["Shards"]
    place = ("--stream-arn", stream["StreamArn"], "--shard-id", shard["ShardId"])
    got = call("dynamodbstreams", "get-shard-iterator", *place, "--shard-iterator-type", "TRIM_HORIZON")
    records = call("dynamodbstreams", "get-records", "--shard-iterator", got["ShardIterator"])["Records"]
    assert [record["eventName"] for record in records] == ["INSERT"], records
    call("dynamodb", "delete-table", "--table-name", "cli")
    print("AWS CLI: ok")


SMOKES = {"javascript": (javascript, "npm"), "go": (go, "go"), "cli": (cli, sys.executable)}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in SMOKES]
    if unknown:
        print(f"there is no {unknown[0]}: {' '.join(SMOKES)}", file=sys.stderr)
        return 2
    chosen = names or [name for name, (_, tool) in SMOKES.items() if shutil.which(tool)]
    if not names and len(chosen) < 2:
        print(f"of {' '.join(SMOKES)} only {chosen} can be run here", file=sys.stderr)
        return 1
    server = subprocess.Popen(
        [sys.executable, "-m", "fdyno", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "FDYNO_ACCESS_KEY_ID": KEYS[0], "FDYNO_SECRET_ACCESS_KEY": KEYS[1]},
    )
    assert server.stdout is not None
    try:
        line = server.stdout.readline()
        if not line.startswith(READY):
            return 1
        url = line.removeprefix(READY).split(" ")[0]
        for name in chosen:
            SMOKES[name][0](url)
        server.send_signal(signal.SIGTERM)
        return server.wait(timeout=60)
    finally:
        if server.poll() is None:
            server.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
