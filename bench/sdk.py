"""Ride codes: what our code adds to the libraries' own time, in C and in Python, and the memory of the C library.

    python bench/sdk.py [--riders 1500] [--no-memory]

Needs gcc, make, libsecp256k1-dev and libssl-dev. Prints medians in microseconds, the ratio and its limit; ends with 1
if a limit is passed. The bare sides do what the verification needs and nothing else: DER, SHA-1, the user's compressed
key; they run in the same process, in turn with ours. `bench/bench_sdk.c` has the C side.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tongka.code.layout import AlipayCode, parse_code
from tongka.code.verify import Terms, verify_code
from tongka.crypto import ecdsa
from tongka.sandbox.mint import Mint

ROOT = Path(__file__).parents[1]
SDK = ROOT / "sdk" / "posoffline"
COLD_MAX, REMEMBERED_MAX, PYTHON_MAX = 1.10, 1.15, 1.5
MEMORY_MAX_KIB = 2048
REMEMBERED_CODES = 100_000


@dataclass(frozen=True)
class Figure:
    """Ours against bare, in the same unit."""

    name: str
    ours: float
    bare: float
    limit: float

    def __str__(self) -> str:
        ratio = self.ours / self.bare
        verdict = "ok" if self.good else "OVER"
        return f"{self.name:44} {self.ours:9.1f} {self.bare:9.1f}   {ratio:6.3f}  limit {self.limit:5.2f}  {verdict}"

    @property
    def good(self) -> bool:
        return self.ours <= self.limit * self.bare


def compile_bench(into: Path) -> Path:
    subprocess.run(["make", "-s", "-C", str(SDK)], check=True)
    program = into / "bench_sdk"
    build = SDK / "build"
    command = ["gcc", "-std=gnu11", "-O2", f"-I{SDK}", "-o", str(program), str(ROOT / "bench" / "bench_sdk.c")]
    libraries = [f"-L{build}", "-lposoffline", f"-Wl,-rpath,{build}", "-lsecp256k1", "-lcrypto"]
    subprocess.run([*command, *libraries], check=True)
    return program


def run(program: Path, what: str, key_list: Path, lines: list[str]) -> list[float]:
    file = key_list.with_name(what)
    file.write_text("\n".join(lines) + "\n", encoding="ascii")
    done = subprocess.run([program, what, key_list, file], stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def time_c(program: Path, key_list: Path, mint: Mint, riders: int) -> list[Figure]:
    now = int(time.time())
    lines = []
    for number in range(riders):
        credential = mint.credential(f"2088{number:012}", now, valid_s=7200)
        lines += [mint.code(credential, now - seconds).hex() for seconds in (20, 10)]
    bare_two, cold, bare_one, known, _ = run(program, "time", key_list, lines)
    return [
        Figure("C, verify_qrcode_v2, two signatures (us)", cold, bare_two, COLD_MAX),
        Figure("C, verify_qrcode_v2, credential remembered", known, bare_one, REMEMBERED_MAX),
    ]


def memory_c(program: Path, key_list: Path, mint: Mint) -> Figure:
    """Two riders of 50,000 codes each, all within their validity."""
    now = int(time.time())
    lines = []
    for number in range(2):
        user_id = f"2088{number:012}"
        code = mint.code(mint.credential(user_id, now, valid_s=0xFFFF), now)
        lines += [mint.user_secret(user_id).hex(), code.hex()]
    remembered, kib = run(program, "memory", key_list, lines)
    if remembered != REMEMBERED_CODES:
        raise AssertionError(f"{remembered} codes were let through, not {REMEMBERED_CODES}")
    return Figure("C, memory with 100,000 codes (KiB of 2,048)", kib, MEMORY_MAX_KIB, 1.0)


def time_python(mint: Mint, riders: int) -> Figure:
    """Bare: PublicKey.verify and ECDSA_verify as tongka.crypto.ecdsa calls them, on slices cut beforehand."""
    now = int(time.time())
    codes = [mint.code(mint.credential(f"2088{number:012}", now), now) for number in range(riders)]
    keys = mint.keys()
    terms, master = Terms(keys, now), keys.masters[0].on_secp256k1
    both = [(median_of(lambda c=code: verify_code(c, terms)), bare(code, master)) for code in codes]
    ours, libraries = (statistics.median(side) for side in zip(*both, strict=True))
    return Figure("Python, verify_code, two signatures (us)", ours, libraries, PYTHON_MAX)


def bare(code: bytes, master: ecdsa.PublicKey) -> float:
    parsed = parse_code(code)
    parts = parsed.parts
    assert isinstance(parts, AlipayCode)
    user_signed = code[: -1 - len(parts.user_signature)]

    def both() -> None:
        ecdsa.verify_secp256k1(master, parts.master_signature, parts.credential)
        ecdsa.verify_secp192k1(parsed.user_key, parts.user_signature, user_signed)

    return median_of(both)


def median_of(action: Callable[[], object], times: int = 3) -> float:
    taken = []
    for _ in range(times):
        start = time.perf_counter_ns()
        action()
        taken.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--riders", type=int, default=1500)
    parser.add_argument("--no-memory", action="store_true", help="leave out the 100,000 codes, which take a minute")
    arguments = parser.parse_args()
    mint = Mint(os.urandom(32))
    with tempfile.TemporaryDirectory() as folder:
        program, key_list = compile_bench(Path(folder)), Path(folder) / "keys.json"
        key_list.write_text(mint.keys().to_json(), encoding="ascii")
        figures = [*time_c(program, key_list, mint, arguments.riders), time_python(mint, arguments.riders // 3)]
        if not arguments.no_memory:
            figures.append(memory_c(program, key_list, mint))
    print(f"{'':44} {'ours':>9} {'bare':>9}   {'ratio':>6}")
    print("\n".join(map(str, figures)))
    sys.exit(0 if all(figure.good for figure in figures) else 1)


if __name__ == "__main__":
    main()
