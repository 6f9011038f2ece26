"""Makes the environment an image runs: installs a lock and our wheel, drops what never runs, compiles the rest.

Called by the Dockerfile with the interpreter that has pip: image.py LOCK WHEELS TARGET. Installs wheels only, each with
the hash in the lock; anything else ends the build. Only the standard library, for it runs before anything is there.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

# Services of AWS that the product talks to. botocore describes some 400 in as many folders.
AWS_SERVICES = frozenset({"ecr", "ecs", "elasticache", "s3", "secretsmanager", "sqs", "ssm", "sts"})

# Suffixes of what compilers read, which wheels bring and nothing reads when it runs.
SOURCES = (".c", ".pxi", ".pyx", ".pxd", ".pyi", ".h", ".hpp", ".a", ".f90")


def main(lock: Path, wheels: Path, target: Path) -> None:
    venv.create(target, symlinks=True, with_pip=False)
    install(target, "--require-hashes", "--requirement", str(lock))
    install(target, "--no-deps", *map(str, wheels.glob("*.whl")))
    packages = next(target.glob("lib/python*/site-packages"))
    for path in list(dispensable(packages)):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    # Compiled here once: the file system is read-only later, and each start and health check would compile again.
    # Unchecked: copying between layers changes a file's time, and its contents never change again.
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(packages, quiet=1, workers=0, invalidation_mode=unchecked):
        sys.exit("image.py: a package cannot be compiled")


def install(target: Path, *what: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python"), "install"]
    subprocess.run([*pip, "--no-cache-dir", "--no-compile", "--only-binary", ":all:", *what], check=True)  # noqa: S603


def dispensable(packages: Path) -> Iterator[Path]:
    """What is under site-packages and never loaded: files, and folders that hold no other folder of this list."""
    services = packages / "botocore" / "data"
    yield from (path for path in services.iterdir() if path.is_dir() and path.name not in AWS_SERVICES)
    yield from (path for path in packages.rglob("*") if path.is_file() and path.suffix in SOURCES)
    tests = [path for path in packages.glob("*/**/tests") if path.is_dir()]
    yield from (path for path in tests if not any(other in path.parents for other in tests))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
