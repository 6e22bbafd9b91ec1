"""The command `dynloss`.

Exit codes: 0 well, 1 something failed, 2 asked for what there is not, or for what is damaged, 70 a fault of dynloss
itself, 74 a file that cannot be read or written, 130 interrupted.
"""

import contextlib
import io
import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

import click
from tqdm import tqdm

from dynloss import files
from dynloss_book.engine import policy, runner, untrusted
from dynloss_book.engine.runner import profiles
from dynloss_book.engine.runner.profiles import BEST, DEFAULT_PROFILE, Figure, UsageError

_SIZES = (
    "smoke, quick, …; paper: the paper's own, or a notebook's largest; best: the largest that the archive has of each "
    "notebook, else quick."
)
_PROFILE = click.option("--profile", default=DEFAULT_PROFILE, show_default=True, help=_SIZES)
_BEST = click.option("--profile", default=BEST, show_default=True, help=_SIZES)
_NAMES = click.argument("names", metavar="FIG...", nargs=-1, required=True)
_PROFILES = click.option("--profile", help="smoke, quick, …, as for `dynloss run`; by default each of them.")
_OWN = click.option("--own", is_flag=True, help="Take your own results; by default only the published ones.")
_FRESH = click.option("--fresh", is_flag=True, help="Compute even if the archive has the result.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dynloss")
def cli() -> None:
    """Dynamical loss functions: every figure of the paper, reproducible."""


@cli.command("list")
def list_() -> None:
    """Figures, profiles, cost, and what the archive has of them, published and own, stale or fresh.

    Exit code 2 if that is damaged.
    """
    root, figures = _book()
    rows, damaged = runner.tables.profile_rows(root, figures)
    click.echo(runner.tables.plain([runner.tables.PROFILES, *rows]))
    _name_damaged(damaged)
    if all(row[-1] == runner.tables.NOTHING for row in rows):
        raise UsageError(runner.tables.nothing_in(root))


@cli.command()
@click.argument("names", metavar="FIG...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every figure.")
@_PROFILE
@click.option("-p", "overrides", nargs=2, multiple=True, metavar="NAME VALUE", help="A parameter; may be repeated.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for the executed copies.")
@click.option("--jobs", type=click.IntRange(1), help="Notebooks to run at once; by default 1, with best one per core.")
@_FRESH
def run(
    names: Sequence[str], everything: bool, profile: str, overrides, out: Path | None, jobs: int | None, fresh: bool
) -> None:
    """Execute figures: FIG is a notebook's name, or its beginning, as in fig04."""
    root, figures = _book()
    chosen = list(figures.values()) if everything else _chosen(figures, names)
    if not (names or everything):
        raise UsageError(f"name a figure, or --all; there are {', '.join(figures)}")
    folder = (out or root / "_build" / "executed" / ("custom" if overrides else profile)).absolute()
    if folder.resolve() == (root / "notebooks").resolve():
        raise UsageError(f"--out {out} is the folder of the sources, which are never overwritten")
    _execute(root, chosen, profile, folder, overrides, fresh, jobs, own=True)


@cli.command()
@_NAMES
@_PROFILES
@click.option("--points", default=2, show_default=True, type=click.IntRange(1), help="Points of each sweep.")
@click.option("--renew", is_flag=True, help="Replace a single result that differs; by default it stays.")
@_OWN
def verify(names: Sequence[str], profile: str | None, points: int, renew: bool, own: bool) -> None:
    """Compute stale published results again, of sweeps some points, and compare: what agrees is fresh again.

    Exit code 1 where one differs, 2 where it cannot be told here.
    """
    _review(names, profile, runner.keep.Verifier(points, renew), own)


@cli.command()
@_NAMES
@_PROFILES
@click.option("--because", required=True, help="Why the change of code moves no number of these results.")
@_OWN
def affirm(names: Sequence[str], profile: str | None, because: str, own: bool) -> None:
    """Keep stale published results, if the golden runs that reach the change of code are equal to the last bit.

    Exit code 1 where they differ, 2 where no golden run reaches the change.
    """
    _review(names, profile, runner.keep.Affirmer(profiles.find_root(), because), own)


def _review(names: Sequence[str], profile: str | None, reviewer, own: bool) -> None:
    """Let a reviewer look at what notebooks ask for, in one profile or all of them; a line for each result."""
    root, figures = _book()
    results, states = policy.folders(root=root)[0] if own else policy.published(root), dict[Path, str]()
    for figure in _chosen(figures, names):
        for each in [profile] if profile else figure.profiles:
            for path, state, words in runner.keep.looked_at(figure, profiles.named(figure, each), reviewer, results):
                if path not in states and (profile or path.exists()):  # not every profile was ever computed
                    states[path] = state
                    click.echo(f"{'/'.join(path.parts[-2:])}: {state}: {words}")
    counts = [f"{list(states.values()).count(state)} {state}" for state in dict.fromkeys(states.values())]
    click.echo(", ".join(counts) if states else "nothing is stale")
    sys.exit(1 if runner.keep.APART in states.values() else 2 if runner.keep.UNKNOWN in states.values() else 0)


@cli.command()
@_BEST
@click.option("--no-run", is_flag=True, help="Use the existing executed copies.")
@_FRESH
@_OWN
def book(profile: str, no_run: bool, fresh: bool, own: bool) -> None:
    """Execute every notebook and build the book; the last line is the path of its first page."""
    if no_run and fresh:
        raise UsageError("--fresh needs a run: leave out --no-run")
    root, figures = _book()
    runner.book.check()
    if not no_run:
        folder = root / "_build" / "executed" / profile
        _execute(root, list(figures.values()), profile, folder, fresh=fresh, own=own)
    click.echo("building the book", err=True)
    try:
        first_page = runner.book.build(root, figures, profile)
    except runner.book.BookError as error:
        raise click.ClickException(f"{error}\nno book was published") from error
    click.echo(first_page)


@cli.command()
@click.option("--profile", help="Only this profile.")
def status(profile: str | None) -> None:
    """What was run, when, where, and whether it is fit for the book; exit code 2 if the archive has damaged files."""
    root, figures = _book()
    known = dict.fromkeys([BEST, *(name for figure in figures.values() for name in figure.profiles)])
    if profile and profile not in known:
        raise UsageError(f"unknown profile {profile!r}; there are {', '.join(known)}")
    rows = [row for name in ([profile] if profile else known) for row in runner.tables.status_rows(root, figures, name)]
    click.echo(runner.tables.plain([runner.tables.STATUS, *rows]))
    _name_damaged(runner.tables.unreadable(root))


@cli.command()
@click.argument("names", metavar="[FIG]...", nargs=-1)
@click.option("--update", is_flag=True, help="Record the verdicts that follow from the published results now.")
@_OWN
def claims(names: Sequence[str], update: bool, own: bool) -> None:
    """The paper's claims with their verdicts, and whether those on record still follow from the published results.

    Exit code 1 where a verdict no longer follows, 2 where results are missing, stale or damaged.
    """
    if own and update:
        raise UsageError("what is on record follows from the published results: leave out --own")
    root, figures = _book()
    published = policy.published(root)
    record = runner.recorded.read(published)
    folders = policy.folders(root=root) if own else [published]
    now = runner.answers.all_judged(_chosen(figures, names), folders)
    if update and runner.recorded.of(now):
        # What cannot be judged now stays on record; what is no notebook any more does not.
        record = {name: entry for name, entry in record.items() if name in figures} | runner.recorded.of(now)
        runner.recorded.write(published, record)
    found = runner.recorded.rows(record, now)
    lines = [runner.recorded.shown(found)] if found else []
    click.echo(untrusted.printable("\n".join([*lines, *runner.recorded.summary(found)])))
    sys.exit(runner.recorded.code(found))


@cli.command()
@click.argument("mine", metavar="MY_RUN", type=click.Path(exists=True, path_type=Path))
@click.argument("reference", required=False, type=click.Path(exists=True, path_type=Path))
def compare(mine: Path, reference: Path | None) -> None:
    """Compare a re-run with the archive, or with REFERENCE: executed notebooks, folders of results, NetCDF files.

    Exit code 0 where they agree, 1 where they differ, 2 where they cannot be compared or have too few seeds to tell.
    """
    try:
        found = runner.compare.outcomes(mine, reference or profiles.find_root() / policy.PUBLISHED)
    except runner.compare.Incomparable as error:
        raise UsageError(str(error)) from error
    click.echo(untrusted.printable(runner.compare.shown(found)))
    sys.exit(runner.compare.code(found))


@cli.command()
@click.argument("name")
def new(name: str) -> None:
    """Lay out a new figure, a short working example: notebook, room, profiles, test, and its page in the book."""
    root = profiles.find_root()
    for path in runner.new.lay_out(root, name):
        click.echo(path.relative_to(root))
    click.echo(f"next: make sync, then dynloss run {name} --profile smoke (CONTRIBUTING.md: Adding a figure)")


def _book() -> tuple[Path, dict[str, Figure]]:
    """The checkout of the current folder, and its figures."""
    root = profiles.find_root()
    return root, profiles.load(root)


def _chosen(figures: Mapping[str, Figure], names: Sequence[str]) -> list[Figure]:
    """The figures of these names; all where none is named."""
    return [profiles.find(figures, name) for name in names] or list(figures.values())


def _name_damaged(unreadable: Sequence[str]) -> None:
    """Name the files that cannot be read, each once, with the reason; where there are any, the exit code is 2."""
    if unreadable:
        click.echo("\n".join(dict.fromkeys(unreadable)))
        sys.exit(2)


@cli.group()
def sweep() -> None:
    """Sweeps over parameters and seeds."""


@sweep.command("status")
@click.argument("names", metavar="[FIG]...", nargs=-1)
def sweep_status(names: Sequence[str]) -> None:
    """How far the sweeps in the archive are; exit code 2 if files of theirs are damaged."""
    root, figures = _book()
    chosen = {figure.stem for figure in _chosen(figures, names)} if names else set()
    found = runner.tables.sweeps(root, chosen)
    if found:
        click.echo(runner.tables.plain([runner.tables.SWEEPS, *map(runner.tables.sweep_row, found)]))
    damaged = [str(error) for each in found for error in each.unreadable]
    _name_damaged(damaged + runner.tables.unreadable(root, chosen))
    if not found:
        raise UsageError(runner.tables.nothing_in(root))


@cli.command()
@click.option("--minutes", type=click.FloatRange(0), help="Minutes to compute; 0: nothing. By default no limit.")
@click.option("--plan", is_flag=True, help="Only show what is left and its cost on this device.")
@click.option("--device", type=click.Choice(["cpu", "gpu"]), help="Whose list; by default that of this machine's.")
@click.option("--renew", is_flag=True, help="Recompute results of other code; the old ones are kept.")
@click.option("--publish", "publishing", is_flag=True, help="Publish what was computed, item by item.")
@click.option("--nice", default=19, show_default=True, type=click.IntRange(0, 19), help="Give way to other programs.")
def campaign(minutes: float | None, plan: bool, device: str | None, renew: bool, publishing: bool, nice: int) -> None:
    """Compute what the archive lacks, down the list in notebooks/campaign.yml; may be killed, and goes on next time."""
    from dynloss_book.engine import archive
    root, figures = _book()
    items = runner.campaign.load(root, figures)
    files.check_writable(root / "_build" / "campaign")
    if hasattr(os, "nice"):
        os.nice(nice)  # the notebooks' kernels inherit it
    here = device.upper() if device else runner.campaign.device()
    if plan:
        rows = [runner.campaign.row(item, state, here) for item, state in runner.campaign.plan(root, items)]
        click.echo(runner.tables.plain([runner.campaign.PLAN, *rows]))
        return
    archive.check_writable(policy.folders(root=root)[0])
    failed, mine = False, [item for item in items if here in item.devices]
    for item, state in runner.campaign.run(root, mine, minutes, renew):
        failed |= state.failed
        _say(f"{item.label}: {state.left}" + ("" if state.failed else " left"))
        if publishing:
            made = [path for path in dict.fromkeys(Path(each.place) for each in state.requests) if path.exists()]
            failed |= _publish(root, made, renew)
    if failed:
        sys.exit(1)


@cli.command()
@click.argument("names", metavar="[FIG]...", nargs=-1)
@_PROFILES
@click.option("--renew", is_flag=True, help="Replace published values that differ; by default they stay.")
@click.option("--yes", is_flag=True, help="Publish; by default only show what would be done.")
def publish(names: Sequence[str], profile: str | None, renew: bool, yes: bool) -> None:
    """Say what would become of one's own results in the published ones, and with --yes do it: they move there.

    Exit code 1 where a result stays behind, as its code has changed since, or as --renew would have to replace
    published values; 2 where there is none.
    """
    root, figures = _book()
    source = policy.folders(root=root)[0]
    records: list[Mapping] = []
    stale: dict[Path, list[str]] = {}
    for figure in _chosen(figures, names):
        size = figure.profiles[profiles.named(figure, profile)] if profile else None
        held, unreadable = runner.tables.archived(figure, [source])
        _say("\n".join(map(str, unreadable)))
        for one in held:
            if size is not None and not runner.tables.fits(figure, size, one["parameters"]):
                continue
            path = Path(one["path"])
            owner = figures.get(path.relative_to(source).parts[0])
            with contextlib.suppress(OSError):  # that it cannot be read, `publish` says
                if owner and (changed := runner.tables.changed(owner, path)):
                    stale[path] = changed
            records += [] if path in stale else [one]
    if not records and not stale:
        raise UsageError(f"nothing to publish in {source}")
    for path, changed in stale.items():
        _say(f"{path} stays: {runner.tables.some(changed)} changed since; dynloss run --fresh, or affirm --own")
    if (_publish(root, runner.publish.places(records), renew, yes) or stale) and yes:
        sys.exit(1)


def _publish(root: Path, chosen: Iterable[Path], renew: bool, yes: bool = True) -> bool:
    """Say, or do, what becomes of results; whether one stays behind that was to be published."""
    source, target, behind = policy.folders(root=root)[0], root / policy.PUBLISHED, False
    if source == target:
        raise UsageError(f"{source} holds the published results themselves: unset DYNLOSS_RESULTS")
    for step in runner.publish.steps(chosen, target, renew):
        click.echo(f"{step.place}: {step.words}")
        behind |= not step.whole
        if yes:
            runner.publish.publish(step, source, move=source == root / policy.OWN)
    return behind


@cli.command()
@click.option("--require-gpu", is_flag=True, help="Fail unless JAX computes on a GPU.")
def doctor(require_gpu: bool) -> None:
    """Versions, devices, whether JAX computes rightly, and what is missing."""
    lines, well = runner.doctor.report()
    click.echo("\n".join(lines))
    if require_gpu and not runner.doctor.has_gpu():
        raise click.ClickException("no GPU: JAX does not compute on one here")
    sys.exit(0 if well else 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: misuse is one line on stderr and exit code 2, Ctrl-C is 130."""
    _prepare()
    try:
        cli.main(arguments, prog_name="dynloss", standalone_mode=False)
    except UsageError as error:
        _end(error, 2)
    except click.ClickException as error:
        _end(error.format_message(), error.exit_code)
    except ImportError as error:
        _end(f"{error} (`dynloss doctor` tells what is missing and how to get it)", 1)
    except (KeyboardInterrupt, click.Abort) as error:
        _end(str(error.__cause__ or error) or "interrupted", 130)
    except OSError as error:
        _end(error, 74)  # 1 would say that a verdict no longer follows
    except Exception:
        traceback.print_exc()
        _end("a fault of dynloss itself: please report it", 70)


def _end(message: object, code: int) -> None:
    _say(message)
    sys.exit(code)


def _prepare() -> None:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # signs that a terminal lacks
    for name in ("DYNLOSS_RESULTS", "DYNLOSS_CIFAR10"):  # once, where they enter: notebooks run in another folder
        if given := os.environ.get(name):
            os.environ[name] = str(Path(given).expanduser().absolute())


def _execute(
    root: Path,
    figures: Sequence[Figure],
    profile: str,
    folder: Path,
    overrides: Sequence[tuple[str, str]] = (),
    fresh: bool = False,
    jobs: int | None = None,
    own: bool = False,
) -> None:
    """Run notebooks and say what becomes of each; a failure does not stop the others, but the command ends with 1.

    Without one's ``own`` results what is computed goes to an archive of the book's, beside the published one.
    """
    if profile == BEST and (overrides or fresh):
        raise UsageError("best reads the archive: to compute, name a profile")
    given = {} if profile == BEST else {f.stem: profiles.values(f, profile, overrides, fresh) for f in figures}
    for figure in figures:
        runner.execute.check_synced(figure)
    files.check_writable(folder)
    apart = [] if own or policy.Policy.current().results else [root / "_build" / "results", root / policy.PUBLISHED]
    asked = policy.Policy(**policy.asking(apart)).as_environment()

    def one(figure: Figure, stream: TextIO) -> "runner.execute.Outcome":
        path = folder / f"{figure.stem}.ipynb"
        if profile == BEST:
            return runner.best.execute_best(figure, root, path, stream, own=own)
        label = ", ".join([profiles.named(figure, profile), *(f"{name}={value}" for name, value in overrides)])
        return runner.execute.execute(figure, label, given[figure.stem], path, stream, asked)

    jobs = jobs or (runner.together.at_once() if profile == BEST else 1)
    if min(jobs, len(figures)) == 1:
        _report((one(figure, sys.stderr) for figure in figures), len(figures))
        return
    running = runner.together.execute_all(lambda figure: one(figure, io.StringIO()), figures, jobs)
    with contextlib.closing(running) as outcomes:
        _report(tqdm(outcomes, total=len(figures), unit=" notebooks", disable=None, leave=False), len(figures))


def _report(outcomes: Iterable["runner.execute.Outcome"], number: int) -> None:
    from dynloss_book.engine.provenance import duration

    failed = 0
    for outcome in outcomes:
        took = duration(outcome.seconds)
        with tqdm.external_write_mode(sys.stderr):  # above the bar, where there is one
            if outcome.error:
                failed += 1
                copy = f" (partial copy: {outcome.path})" * outcome.path.exists()
                _say(f"{outcome.figure} failed after {took}: {outcome.error}{copy}")
            else:
                click.echo(f"{outcome.figure} [{outcome.profile}]: {took}, {outcome.path}", err=True)
                if outcome.stale:
                    _say(f"{outcome.figure} shows results of other code, {outcome.stale}; --fresh computes them anew")
    if failed:
        raise click.ClickException(f"{failed} of {number} notebooks failed")


def _say(message: object) -> None:
    for line in untrusted.printable(str(message)).splitlines():
        click.echo(f"dynloss: {line}", err=True)
