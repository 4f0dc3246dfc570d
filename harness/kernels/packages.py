"""Which Debian package has the kernel that was asked for, and what is in it?

A kernel is asked for by its series, `6.1`. The mirror is the machine's own: its address is read from
apt, and a configuration of its own beside that of the machine asks for other suites, verified by
Debian's archive keys. Versions rotate, so the newest package that the suite lists is taken.
"""

import re
import subprocess

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Where a series is looked for, in this order.
SUITES = {"5.10": ["bullseye-security"], "6.1": ["bookworm-security"], "6.12": ["bookworm-security"]}
NEWER = ["trixie-backports", "sid"]
NAME = r"linux-image-[^-]+(-\d+)?-cloud-amd64"
# From 7.x on a kernel's files are spread over several packages.
PART = r"linux-(?:binary|modules)-\S+"


class Missing(Exception):
    """Why a kernel cannot be had."""


def run(*command, cwd=None):
    """What a command printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{command[0]}: {error}") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or "no message").splitlines()[-1]
        raise Missing(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout


def mirror(suite):
    """The machine's mirror that has suites of this kind."""
    label = "Debian-Security" if suite.endswith("-security") else "Debian"
    rows = run("apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages")
    known = [row.split()[1] for row in rows.splitlines() if row.split()[0] == label]
    if not known:
        raise Missing(f"apt knows no mirror of {label} here (apt-get update?)")
    return known[0]


class Suite:
    """One suite, with an apt configuration of its own below the cache."""

    def __init__(self, name, cache):
        self.name, folder = name, cache / "apt" / name
        for below in ["lists/partial", "archives/partial"]:
            (folder / below).mkdir(parents=True, exist_ok=True)
        source = f"deb [arch=amd64 signed-by={KEYRING}] {mirror(name)} {name} main\n"
        (folder / "sources.list").write_text(source)
        settings = {
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::State::lists": folder / "lists",
            "Dir::State::status": "/dev/null",
            "Dir::Cache": folder,
            "APT::Architecture": "amd64",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        }
        self.options = [word for pair in settings.items() for word in ("-o", f"{pair[0]}={pair[1]}")]
        run("apt-get", *self.options, "--error-on=any", "-qq", "update")

    def newest(self, series):
        """The newest package of a series, or none."""
        names = run("apt-cache", *self.options, "pkgnames", f"linux-image-{series}.").split()
        names = [name for name in names if re.fullmatch(NAME, name)]
        return max(names, key=lambda name: [int(n) for n in re.findall(r"\d+", name)], default=None)

    def version(self, package):
        """Its version, and the packages with the rest of its files."""
        text = run("apt-cache", *self.options, "--no-all-versions", "show", package)
        field = lambda name: re.search(rf"^{name}: (.*)$", text, re.MULTILINE)[1]
        return field("Version"), re.findall(PART, field("Depends"))

    def unpack(self, package, folder):
        """Downloads a package and the parts it depends on, and unpacks them."""
        folder.mkdir(parents=True, exist_ok=True)
        _, parts = self.version(package)
        for name in [package, *parts]:
            run("apt-get", *self.options, "-qq", "download", name, cwd=folder)
        for archive in sorted(folder.glob("*.deb")):
            run("dpkg", "-x", archive, folder)
            archive.unlink()


def get(series, cache):
    """The newest kernel of a series, unpacked: what it is, and the folder."""
    reasons = []
    for name in SUITES.get(series, NEWER):
        try:
            suite = Suite(name, cache)
            package = suite.newest(series)
            if not package:
                reasons.append(f"{name} has no linux-image-{series}.…-cloud-amd64")
                continue
            version, _ = suite.version(package)
            folder = cache / "unpacked" / f"{package}={version}"
            if not (folder / "complete").exists():
                suite.unpack(package, folder)
                (folder / "complete").touch()
            return {"suite": name, "package": package, "version": version}, folder
        except Missing as error:
            reasons.append(f"{name}: {error}")
    raise Missing("; ".join(reasons))
