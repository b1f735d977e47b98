"""The wheel, the sdist and the SBOM of a release: built into dist/ and checked. `make dist` runs this.

    python -m benchmarks.dist               # build, check, install; writes dist/ and dist/SHA256SUMS
    python -m benchmarks.dist --no-install  # without the checks that fetch the dependencies

Checked: two builds are the same bytes, the sdist makes the same wheel, each holds exactly the files of the repository
that it should, the metadata is what an index takes, the version is that of the tag, and in a fresh environment the
wheel alone says its version, runs the demo, and is what a plugin, `uv tool` and `pipx` install. The SBOM (CycloneDX)
lists that environment. A container is built where there is an engine and its base image. Exits with 1 when anything is
otherwise.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from email.parser import BytesParser
from functools import partial
from pathlib import Path

from packaging.metadata import Metadata

from benchmarks.install import ROOT, core_install
from nlapi.version import __version__

OUTPUT = ROOT / "dist"
WHEEL = f"nlapi-{__version__}-py3-none-any.whl"
SDIST = f"nlapi-{__version__}.tar.gz"
SBOM = f"nlapi-{__version__}.cdx.json"
# Folders of the repository that ship, and where the wheel has them (pyproject.toml).
SHIPPED = {
    "nlapi": "nlapi",
    "prompts": "nlapi/_data/prompts",
    "specs": "nlapi/_data/specs",
    "plugins": "nlapi/_data/plugins",
    "examples/gateway": "nlapi/_data/examples/gateway",
}
IN_SDIST = ("README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "pyproject.toml")
# hatchling adds the first so that a build from the sdist leaves out what the repository ignores.
ADDED_TO_SDIST = frozenset((".gitignore", "PKG-INFO"))
MAX_SIZE = 20 * 2**20
"""Bytes of one file; an index takes 100 MB, and both are about 3 MB."""

PATIENCE = 600
failures: list[str] = []


def expect(what: str, is_right: bool, detail: str = "") -> None:
    print(
        f"{'ok' if is_right else 'FAILED'}: {what}" + (f"\n  {detail[-600:]}" if detail and not is_right else ""),
        flush=True,
    )
    if not is_right:
        failures.append(what)


def repository_files(folder: str) -> set[str]:
    """Return the paths of the files of a folder that git has."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, check=True, capture_output=True, text=True)
    return {path for path in listed.stdout.split("\0") if path and (ROOT / path).is_file()}


def commit_time() -> str:
    """Return the seconds of the last commit, which every file of a build is dated with."""
    shown = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=True, capture_output=True, text=True)
    return shown.stdout.strip()


def build(source: Path, output: Path, *targets: str) -> None:
    """Build a wheel, an sdist or both of a source tree into a folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(output)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time(), "PYTHONPATH": ""}
    words = [word for target in targets for word in ("-t", target)]
    subprocess.run([*command, *words], cwd=source, env=environment, check=True, capture_output=True)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def check_reproducible(folder: Path) -> None:
    """Compare a second build, and a wheel that is made of the sdist elsewhere, with the first."""
    build(ROOT, folder / "again", "wheel", "sdist")
    for name in (WHEEL, SDIST):
        expect(f"{name}: a second build is the same bytes", digest(OUTPUT / name) == digest(folder / "again" / name))
    with tarfile.open(OUTPUT / SDIST) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    build(folder / "unpacked" / SDIST.removesuffix(".tar.gz"), folder / "of-sdist", "wheel")
    same = digest(OUTPUT / WHEEL) == digest(folder / "of-sdist" / WHEEL)
    expect(f"{WHEEL}: the sdist makes the same bytes", same)


def check_wheel(wheel: zipfile.ZipFile) -> None:
    """Compare the files of the wheel with those of the repository, and its record with its files."""
    names = set(wheel.namelist())
    info = f"nlapi-{__version__}.dist-info"
    expected = {
        place + path.removeprefix(folder) for folder, place in SHIPPED.items() for path in repository_files(folder)
    }
    expected |= {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    expected |= {f"{info}/licenses/{name}" for name in ("LICENSE", "NOTICE")}
    difference = f"too many: {sorted(names - expected)[:5]}, missing: {sorted(expected - names)[:5]}"
    expect(f"wheel: exactly the {len(expected)} files that ship, no tests and no data", names == expected, difference)
    record = {line.rsplit(",", 2)[0]: line.rsplit(",", 2)[1] for line in wheel.read(f"{info}/RECORD").decode().split()}
    wrong = [name for name in names - {f"{info}/RECORD"} if record.get(name) != _record_hash(wheel.read(name))]
    expect("wheel: the record has the hash of each file", not wrong, str(wrong[:5]))
    scripts = wheel.read(f"{info}/entry_points.txt").decode()
    expect("wheel: the command nlapi", "nlapi = nlapi.cli.main:main" in scripts, scripts)
    check_metadata(wheel.read(f"{info}/METADATA"))


def _record_hash(content: bytes) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def check_metadata(content: bytes) -> None:
    """Check what an index and `twine check` ask of the metadata."""
    try:
        metadata = Metadata.from_email(content, validate=True)
    except ExceptionGroup as group:
        expect("metadata: as the standards have it", False, "; ".join(map(str, group.exceptions)))
        return
    is_named = (metadata.name, str(metadata.version)) == ("nlapi", __version__)
    expect("metadata: name and version", is_named, f"{metadata.name} {metadata.version}")
    expect("metadata: a licence expression", str(metadata.license_expression) == "Apache-2.0")
    expect(
        "metadata: a page in Markdown",
        bool(metadata.description) and metadata.description_content_type == "text/markdown",
    )
    direct = [str(entry) for entry in metadata.requires_dist or () if entry.url]
    expect("metadata: no dependency at a URL, which an index refuses", not direct, str(direct))
    expect("metadata: no upload by mistake of a private build", "+" not in str(metadata.version))


def check_sdist(archive: tarfile.TarFile) -> None:
    """Compare the files of the sdist with those of the repository."""
    root = SDIST.removesuffix(".tar.gz") + "/"
    names = {member.name.removeprefix(root) for member in archive.getmembers() if member.isfile()}
    expected = {path for folder in SHIPPED for path in repository_files(folder)} | set(IN_SDIST)
    names -= ADDED_TO_SDIST
    difference = f"too many: {sorted(names - expected)[:5]}, missing: {sorted(expected - names)[:5]}"
    expect(f"sdist: exactly the {len(expected)} files that ship", names == expected, difference)
    odd = [member.name for member in archive.getmembers() if not (member.isfile() or member.isdir())]
    expect("sdist: no links", not odd, str(odd))
    content = archive.extractfile(root + "PKG-INFO")
    version = BytesParser().parse(content)["Version"] if content else ""
    expect("sdist: its version", version == __version__, version)


def environment_of(folder: Path, path: str) -> dict[str, str]:
    """Return an environment without the settings, the keys and the modules of whoever runs this."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "NLAPI_"))}
    variables.pop("PYTHONPATH", None)
    return {**variables, "PATH": path, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}


def check_version() -> None:
    """Compare the version with the tag of the commit, where it has one."""
    shown = subprocess.run(["git", "tag", "--points-at", "HEAD"], cwd=ROOT, check=True, capture_output=True, text=True)
    tags = [tag for tag in shown.stdout.split() if tag.startswith("v")]
    if not tags:
        print(f"note: this commit has no tag; a release of it is tagged v{__version__}")
    else:
        expect(f"the tag is v{__version__}", f"v{__version__}" in tags, f"it is {', '.join(tags)}")


def write_sbom(python: Path) -> None:
    """Write the SBOM of an environment in which the wheel is installed, and check that it has what the wheel needs."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", str(python), "--output-reproducible"]
    try:
        subprocess.run([*command, "-o", str(OUTPUT / SBOM)], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        missing = "No module named" in error.stderr
        expect("SBOM", False, "pip install --group release" if missing else error.stderr)
        return
    components = {
        part["name"]: part.get("version", "") for part in json.loads((OUTPUT / SBOM).read_text())["components"]
    }
    expect(f"SBOM: nlapi and the {len(components) - 1} packages with it", components.get("nlapi") == __version__)


def check_tools(folder: Path) -> None:
    """Install the wheel with `uv tool` and `pipx`, each in a fresh HOME, and uninstall it again."""
    for tool, install, uninstall in (
        ("uv", ("uv", "tool", "install"), ("uv", "tool", "uninstall")),
        ("pipx", ("pipx", "install"), ("pipx", "uninstall")),
    ):
        home = folder / f"home-{tool}"
        subprocess.run([sys.executable, "-m", "venv", str(home / "tools")], check=True)
        subprocess.run([home / "tools" / "bin" / "pip", "install", "-q", tool], check=True, capture_output=True)
        environment = environment_of(home, f"{home / 'tools' / 'bin'}:/usr/bin:/bin")
        run = partial(subprocess.run, cwd=home, env=environment, capture_output=True, text=True, timeout=PATIENCE)
        program = home / ".local" / "bin" / "nlapi"
        done = run([*install, str(OUTPUT / WHEEL)])
        shown = run([str(program), "--version"]).stdout if program.exists() else ""
        expect(f"{' '.join(install)}: nlapi {__version__}", __version__ in shown, done.stderr)
        asked = run([str(program), "ask", "list the campaigns", "-a", "ads", "--dry-run"]) if shown else done
        expect(f"{' '.join(install)}: a first answer", "/campaigns" in asked.stdout + asked.stderr, asked.stderr)
        parts = json.loads(run([str(program), "doctor", "-o", "json"]).stdout) if shown else []
        named = tuple(part["finding"] for part in parts if part["part"].endswith(" folder"))
        run([*uninstall, "nlapi"])
        left = [str(path) for path in home.rglob("*") if "nlapi" in path.name and "tools/lib" not in str(path)]
        # pipx keeps an empty lock file for each name that it has installed.
        left = [path for path in left if not path.startswith(named) and not path.endswith(".nlapi.lock")]
        left = [path for path in left if "/cache/" not in path]
        expect(f"{' '.join(uninstall)}: nothing is left but the folders that nlapi doctor names", not left, str(left))


def check_container() -> None:
    """Build the container and run it; left out, with the reason, without an engine or the base image."""
    engine = next(filter(None, map(shutil.which, ("podman", "docker"))), None)
    if engine is None:
        print("left out: the container, as neither podman nor docker is installed")
        return
    built = subprocess.run([engine, "build", "-q", "-t", "nlapi-dist", "."], cwd=ROOT, capture_output=True, text=True)
    if built.returncode:
        reason = (built.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"left out: the container, as it could not be built here: {reason[-300:]}")
        return
    done = subprocess.run([engine, "run", "--rm", "nlapi-dist", "--version"], capture_output=True, text=True)
    expect("container: nlapi --version", __version__ in done.stdout, done.stderr)


def check_installed(folder: Path) -> None:
    """Run the wheel alone in a fresh environment, from a folder where nothing of the repository is."""
    with core_install(sys.executable, OUTPUT / WHEEL) as home:
        write_sbom(home / "bin" / "python")
        for words in (("--version",), ("demo",), ("plugin", "build", "ads", "-o", str(folder / "built"))):
            command = [str(home / "bin" / "nlapi"), *words]
            done = subprocess.run(
                command,
                cwd=folder,
                env=environment_of(folder, os.environ["PATH"]),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
            )
            is_right = done.returncode == 0 and (words != ("--version",) or __version__ in done.stdout)
            expect(f"installed from the wheel: nlapi {words[0]}", is_right, done.stdout + done.stderr)


def check_plugins(folder: Path) -> None:
    """Have a plugin bring the wheel, and install it where Python is all there is."""
    tools, wheels, plugin = folder / "tools", folder / "wheels", folder / "plugin"
    tools.mkdir()
    (tools / "python3").symlink_to(os.path.realpath(sys.executable))
    words = ["-m", "pip", "download", "--quiet", "--only-binary", ":all:", "-d", str(wheels)]
    subprocess.run([sys.executable, *words, f"{OUTPUT / WHEEL}[mcp]", "pip"], check=True, capture_output=True)
    command = [sys.executable, "-m", "nlapi", "plugin", "build", "ads", "-o", str(plugin), "--bundle", str(wheels)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    variables = environment_of(folder / "home", f"{tools}:/usr/bin:/bin")
    command = ["sh", str(plugin / "bin" / "nlapi-ads"), "--about", "listCampaigns"]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE)
    expect(
        "a plugin installs the nlapi that it brings",
        done.returncode == 0 and "listCampaigns" in done.stdout,
        done.stderr,
    )


def _with_network(name: str, check: Callable[[], None]) -> None:
    try:
        check()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        expect(name, False, f"{error} {(error.stderr or b'')!r}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dist", description=__doc__)
    parser.add_argument("--no-install", action="store_true", help="leave out what fetches dependencies")
    options = parser.parse_args()
    changed = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, check=True, capture_output=True, text=True)
    if changed.stdout:
        print("note: the checkout has changes that are in no commit; a release is built of a commit")
    shutil.rmtree(OUTPUT, ignore_errors=True)
    build(ROOT, OUTPUT, "wheel", "sdist")
    with tempfile.TemporaryDirectory(prefix="nlapi-dist-") as name:
        folder = Path(name)
        check_reproducible(folder)
        with zipfile.ZipFile(OUTPUT / WHEEL) as wheel:
            check_wheel(wheel)
        with tarfile.open(OUTPUT / SDIST) as archive:
            check_sdist(archive)
        for file in (OUTPUT / WHEEL, OUTPUT / SDIST):
            expect(f"{file.name}: {file.stat().st_size / 2**20:.1f} MiB", file.stat().st_size < MAX_SIZE)
        if not options.no_install:
            _with_network("installed from the wheel", lambda: check_installed(folder))
            _with_network("a plugin that brings it", lambda: check_plugins(folder))
            _with_network("uv tool and pipx", lambda: check_tools(folder))
            check_container()
    check_version()
    names = [name for name in (WHEEL, SDIST, SBOM) if (OUTPUT / name).is_file()]
    sums = "".join(f"{digest(OUTPUT / name)}  {name}\n" for name in names)
    (OUTPUT / "SHA256SUMS").write_text(sums)
    print(sums, end="")
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
