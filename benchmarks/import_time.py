"""What `import dynloss` adds to `import jax`, each in a fresh Python, in turn.

    python benchmarks/import_time.py [--rounds 7]
"""

import argparse
import statistics
import subprocess
import sys
import time


def seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=7)
    rounds = arguments.parse_args().rounds
    statements = {
        "jax": "import jax",
        "both": "import jax, dynloss",
        "physics": "import jax; from dynloss import schedules, losses",
    }
    for statement in statements.values():
        seconds(statement)
    times = [{name: seconds(each) for name, each in statements.items()} for _ in range(rounds)]
    median = {name: statistics.median(each[name] for each in times) for name in statements}
    print(f"import jax: {median['jax']:.2f} s")
    print(f"import jax, dynloss: {median['both']:.2f} s, so {median['both'] - median['jax']:+.3f} s (asked: below 0.3)")
    print(f"and dynloss.schedules and losses: {median['physics'] - median['jax']:+.3f} s")
    print(f"ratio: {median['both'] / median['jax']:.2f}")


if __name__ == "__main__":
    main()
