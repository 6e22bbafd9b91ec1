"""What `import dynloss` adds to `import jax`, each in a fresh Python, in turn.

    python benchmarks/import_time.py [--rounds 7]
"""

import functools
import subprocess
import sys

import setting


def main():
    rounds = setting.arguments(__doc__, {"rounds": 1}, rounds=7).rounds
    statements = {
        "jax": "import jax",
        "both": "import jax, dynloss",
        "physics": "import jax; from dynloss import schedules, losses",
    }
    python = functools.partial(subprocess.run, check=True)
    runs = {name: functools.partial(python, [sys.executable, "-c", each]) for name, each in statements.items()}
    median = setting.in_turn(runs, rounds)  # the warm-up fills the caches
    print(f"import jax: {median['jax']:.2f} s")
    print(f"import jax, dynloss: {median['both']:.2f} s, so {median['both'] - median['jax']:+.3f} s (asked: below 0.3)")
    print(f"and dynloss.schedules and losses: {median['physics'] - median['jax']:+.3f} s")
    print(f"ratio: {median['both'] / median['jax']:.2f}")


if __name__ == "__main__":
    main()
