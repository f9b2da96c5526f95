"""Run the vectors through a build of the library, and compare what it answers.

python3 replay.py [--threads] VECTORS.json COMMAND...    e.g. valgrind --quiet build/replay

The standard library is enough. Records are built here once more, from the layout alone.
"""

import hashlib
import hmac
import json
import struct
import subprocess
import sys
from typing import Any

SDK_VERSION = b"tongka-1.0.0"


def field(data: bytes) -> str:
    """Hex with a full stop, so that an empty field can be seen."""
    return data.hex() + "."


def init_line(case: dict[str, Any]) -> str:
    return f"init {field(case['key_list'].encode())} {field(case['card_types'].encode())}"


def verify_line(case: dict[str, Any]) -> str:
    numbers = f"{case['now']} {case['amount_fen']} {case['record_room']}"
    return f"verify {numbers} {field(case['pos_param'].encode())} {case['code']}."


def record_of(case: dict[str, Any]) -> str:
    """The record, version 2, that a success carries."""
    code, pos, now = bytes.fromhex(case["code"]), case["pos_param"].encode(), struct.pack(">I", case["now"])
    parts = b"".join(struct.pack(">H", len(part)) + part for part in (code, pos, now, SDK_VERSION))
    covered = struct.pack(">H", 2 << 12 | len(parts) + 2 + 16) + parts + struct.pack(">H", 16)
    return (covered + hmac.new(case["uid"].encode(), covered, hashlib.md5).digest()).hex()


def answer_of(case: dict[str, Any]) -> str:
    if case["result"] != 1:
        return str(case["result"])
    texts = case["uid"], record_of(case), case["card_no"], case["card_data"], case["card_type"]
    return " ".join(["1", *(text + "." for text in texts)])


def cuts(suite: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Every truncation of a code of each format: malformed, and a sanitizer sees that nothing behind it is read."""
    steps = []
    for case in suite["cases"][:10]:
        for size in range(0, len(case["code"]), 2):
            cut = {**case, "code": case["code"][:size]}
            steps += [(f"{case['name']}, cut", line, "-1") for line in (verify_line(cut), f"info {cut['code']}.")]
    return steps


def script(vectors: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(what it is, line to send, answer expected)."""
    steps = [(f"init: {case['name']}", init_line(case), str(case["result"])) for case in vectors["init"]]
    for suite in vectors["suites"]:
        steps.append((suite["name"], init_line(suite), "1"))
        steps += [(case["name"], verify_line(case), answer_of(case)) for case in suite["cases"]]
    return [*steps, ("again", init_line(vectors["suites"][0]), "1"), *cuts(vectors["suites"][0])]


def play(command: list[str], lines: list[str]) -> list[str]:
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode != 0 or done.stderr:
        sys.exit(f"{command} ended with {done.returncode}\n{done.stderr}")
    return done.stdout.splitlines()


def replay(vectors: dict[str, Any], command: list[str]) -> None:
    steps = script(vectors)
    answers = play(command, [line for _, line, _ in steps])
    wrong = [
        f"{name}: {got} instead of {want}" for (name, _, want), got in zip(steps, answers, strict=True) if got != want
    ]
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{len(steps)} answers as expected")


def threads(vectors: dict[str, Any], command: list[str]) -> None:
    """All good codes of the first suite that hold at the same second."""
    suite = vectors["suites"][0]
    codes = {case["code"] for case in suite["cases"] if case["result"] == 1 and case["now"] == suite["cases"][0]["now"]}
    lines = [init_line(suite), *(verify_line({**suite["cases"][0], "code": code}) for code in sorted(codes))]
    print("\n".join(play(command, lines)))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    action = threads if arguments[0] == "--threads" else replay
    path, *program = arguments[action is threads :]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - a path as given
        action(json.load(file), program)
