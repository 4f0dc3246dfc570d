"""What does a guest need to boot and run zclab, and how is what it found got back?

An initramfs holds busybox, the modules that are not built in, zclab and `init.sh`. The guest has two
disks: one with ext4 for logs, and one on which it leaves a tar archive. It is always emulated: hardware
help would make times truer but not counts, and is not to be had everywhere.
"""

import lzma
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time

HERE = pathlib.Path(__file__).parent
MODULES = ["virtio_pci", "virtio_blk", "crc32c_generic", "crc32c_intel", "ext4", "tcp_cubic", "veth",
           # Kernel TLS, and the cipher that it is asked for.
           "aesni_intel", "ctr", "ghash_generic", "gcm", "tls"]
# Seconds: the guest's own watchdog, then QEMU's end.
LIMIT, PATIENCE = 900, 960
# Seconds between a guest's signs of life, and how long it may give none.
TICK, SILENCE = 5, 90
CONSOLE_LINES = 40


class Failed(Exception):
    """Why a guest left nothing."""


class Silent(Failed):
    """A guest that gave no sign of life any more: the emulator or the guest's kernel stood still."""


def module_files(folder):
    """Modules by name, and the release that they are for."""
    (home,) = [p for top in ["lib", "usr/lib"] for p in folder.glob(f"{top}/modules/*") if (p / "kernel").is_dir()]
    files = {re.sub(r"\.ko(\.xz)?$", "", f.name).replace("-", "_"): f for f in home.rglob("*.ko*")}
    return files, home.name


def load_order(files):
    """The wanted modules and those that they need, in load order, as (name, content)."""
    order = {}

    def add(name):
        name = name.replace("-", "_")
        if name in order or name not in files:
            return
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        needs = re.search(rb"\0depends=([^\0]*)\0", content)
        for need in filter(None, needs[1].decode().split(",") if needs else []):
            add(need)
        order[name] = content

    for name in MODULES:
        add(name)
    return order


def libraries(program):
    """What a program is linked to; nothing, when it is static."""
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    return re.findall(r"(/\S+) \(0x", done.stdout) if done.returncode == 0 else []


def initramfs(folder, work, zclab, checks):
    """Packs the guest's files; where they lie and which release they are for."""
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    for below in ["bin", "dev", "etc", "lib", "mnt", "proc", "sys", "tmp"]:
        (tree / below).mkdir(parents=True)
    files, release = module_files(folder)
    modules = load_order(files)
    for name, content in modules.items():
        (tree / "lib" / f"{name}.ko").write_bytes(content)
    (tree / "lib/order").write_text("\n".join(modules) + "\n")
    settings = [f"LIMIT={LIMIT}", f"TICK={TICK}", f"FILESYSTEMS='{' '.join(checks)}'"]
    settings += [f"CHECK_{filesystem}='{scenarios}'" for filesystem, scenarios in checks.items()]
    (tree / "etc/guest").write_text("\n".join(settings) + "\n")
    shutil.copy(shutil.which("busybox"), tree / "bin/busybox")
    shutil.copy(zclab, tree / "bin/zclab")
    for library in libraries(zclab):
        (tree / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, tree / library[1:])
    shutil.copy(HERE / "init.sh", tree / "init")
    os.chmod(tree / "init", 0o755)
    names = "\n".join(sorted(str(p.relative_to(tree)) for p in tree.rglob("*")))
    packed = work / "initramfs"
    with packed.open("wb") as out:
        subprocess.run(["busybox", "cpio", "-o", "-H", "newc"], input=names.encode(), cwd=tree, stdout=out,
                       stderr=subprocess.DEVNULL, check=True)
    return packed, release


def command(kernel, packed, logs, out):
    """How the guest is started."""
    disk = lambda name, file: ["-drive", f"if=none,id={name},file={file},format=raw,cache=unsafe",
                               "-device", f"virtio-blk-pci,drive={name}"]
    return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "1024", "-machine", "q35",
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot",
            "-kernel", kernel, "-initrd", packed, "-append", "console=ttyS0 panic=-1 quiet mitigations=off",
            *disk("logs", logs), *disk("out", out)]


def watch(qemu, said):
    """Waits for a guest's end, and ends it when its time is up or it has said nothing for long."""
    begun = heard = time.monotonic()
    heard_bytes = 0
    try:
        while qemu.poll() is None:
            now, bytes_now = time.monotonic(), said.stat().st_size
            if bytes_now != heard_bytes:
                heard, heard_bytes = now, bytes_now
            if now - heard > SILENCE:
                raise Silent(f"gave no sign of life for {SILENCE} s")
            if now - begun > PATIENCE:
                raise Failed(f"did not end within {PATIENCE} s")
            time.sleep(0.2)
    finally:
        qemu.kill()
        qemu.wait()


def boot(folder, work, zclab, checks):
    """Boots a kernel to its end; the release, and the folder with what the guest left."""
    packed, release = initramfs(folder, work, zclab, checks)
    (kernel,) = [*folder.glob("boot/vmlinuz-*"), *folder.glob("usr/lib/modules/*/vmlinuz")]
    logs, out, left = work / "logs.img", work / "out.img", work / "left"
    for image, size in [(logs, 64 << 20), (out, 16 << 20)]:
        image.unlink(missing_ok=True)
        with image.open("wb") as file:
            file.truncate(size)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", logs], check=True)
    path, why = work / "console.txt", Failed("did not come to its end")
    with path.open("wb") as console:
        qemu = subprocess.Popen(command(kernel, packed, logs, out), stdin=subprocess.DEVNULL, stdout=console,
                                stderr=subprocess.STDOUT)
        try:
            watch(qemu, path)
        except Failed as error:
            why = error
    said = path.read_text(errors="replace").splitlines()
    said = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1bc|\r", "", line).strip() for line in said]
    if "GUEST done" not in said:
        told = [line for line in said if line and line != "GUEST lives"]
        raise type(why)(f"{release} {why}: " + " | ".join(told[-CONSOLE_LINES:]))
    shutil.rmtree(left, ignore_errors=True)
    with tarfile.open(out) as archive:
        archive.extractall(left)
    return release, left
