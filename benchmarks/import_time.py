"""What `import dynloss` adds to `import jax`, each in a fresh Python, in turn.

    python benchmarks/import_time.py [--rounds 7]
"""

import statistics
import subprocess
import sys
import time

import setting


def seconds(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main():
    rounds = setting.arguments(__doc__, {"rounds": 0}, rounds=7).rounds
    statements = {
        "jax": "import jax",
        "both": "import jax, dynloss",
        "physics": "import jax; from dynloss import schedules, losses",
    }
    times = [{name: seconds(each) for name, each in statements.items()} for _ in range(rounds + 1)]
    times = times[-rounds:]  # the first fills the caches
    median = {name: statistics.median(each[name] for each in times) for name in statements}
    print(f"import jax: {median['jax']:.2f} s")
    print(f"import jax, dynloss: {median['both']:.2f} s, so {median['both'] - median['jax']:+.3f} s (asked: below 0.3)")
    print(f"and dynloss.schedules and losses: {median['physics'] - median['jax']:+.3f} s")
    print(f"ratio: {median['both'] / median['jax']:.2f}")


if __name__ == "__main__":
    main()
