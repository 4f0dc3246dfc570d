//! How is a file made a block device, read past its page cache, and which device lies below one?
//!
//! loop(4), `drivers/block/loop.c`. A device with `LO_FLAGS_AUTOCLEAR` goes when its last user does. One
//! with `LO_FLAGS_DIRECT_IO` reads and writes its file by direct I/O; a kernel that cannot do that for
//! the file leaves the flag out without an error, so it is read back.

use crate::trial::sinks::io;
use crate::trial::wire::Trouble;
use nix::errno::Errno;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

const LOOP_GET_STATUS64: libc::c_ulong = 0x4c05;
const LOOP_CONFIGURE: libc::c_ulong = 0x4c0a;
const LOOP_CTL_GET_FREE: libc::c_ulong = 0x4c82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;

/// Every disk does direct I/O in blocks of this size.
const BLOCK_BYTES: u32 = 4096;

/// Another process may take the free device first; so often another one is asked for.
const TRIES: u32 = 10;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Info {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    sizelimit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    names: [[u64; 8]; 2],
    encrypt_key: [u64; 4],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct Config {
    fd: u32,
    block_size: u32,
    info: Info,
    reserved: [u64; 8],
}

/// A loop device; it goes when nobody has it open or mounted.
pub struct LoopDevice {
    /// Its node.
    pub path: PathBuf,
    /// Its last user, until it is mounted.
    _open: File,
}

impl LoopDevice {
    /// A device over this file, by direct I/O.
    ///
    /// # Errors
    /// The call that was refused, or a file that direct I/O does not work for.
    pub fn attach(image: &File) -> Result<LoopDevice, Trouble> {
        let control_path = "/dev/loop-control";
        let control = File::options().read(true).write(true).open(control_path);
        let control = control.map_err(|error| io("open", control_path, &error))?;
        let mut last = Errno::EBUSY;
        for _ in 0..TRIES {
            // SAFETY: the call takes no argument; the descriptor is open for the whole call.
            let number = unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE as _) };
            let number = Errno::result(number)
                .map_err(|e| Trouble::call("ioctl(LOOP_CTL_GET_FREE)", control_path, e))?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let shown = path.display().to_string();
            let device = File::options().read(true).write(true).open(&path);
            let device = device.map_err(|error| io("open", &shown, &error))?;
            match configure(&device, image) {
                Ok(()) => {}
                Err(Errno::EBUSY) => continue,
                Err(errno) => last = errno,
            }
            if last != Errno::EBUSY {
                return Err(Trouble::call("ioctl(LOOP_CONFIGURE)", &shown, last));
            }
            let info = status(&device)
                .map_err(|errno| Trouble::call("ioctl(LOOP_GET_STATUS64)", &shown, errno))?;
            if info.flags & LO_FLAGS_DIRECT_IO == 0 {
                return Err(Trouble::failed(
                    "the file system of the folder of logs does no direct I/O for loop devices, so \
                     nothing on one could be proven cold (--logs DIR)",
                ));
            }
            return Ok(LoopDevice { path, _open: device });
        }
        Err(Trouble::call("ioctl(LOOP_CONFIGURE)", "a loop device", last))
    }
}

fn configure(device: &File, image: &File) -> Result<(), Errno> {
    let flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    let config = Config {
        fd: image.as_raw_fd() as u32,
        block_size: BLOCK_BYTES,
        info: Info { flags, ..Info::default() },
        reserved: [0; 8],
    };
    // SAFETY: `config` is a struct loop_config on this stack frame, read only during the call; the
    // kernel takes a reference of its own to the image's open file.
    let answer = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE as _, &raw const config) };
    Errno::result(answer).map(drop)
}

fn status(device: &File) -> Result<Info, Errno> {
    let mut info = Info::default();
    // SAFETY: `info` is a struct loop_info64 on this stack frame, written only during the call.
    let answer = unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64 as _, &raw mut info) };
    Errno::result(answer).map(|_| info)
}

/// The numbers of the device that has the file behind a loop device, if that is read past its cache.
///
/// # Errors
/// Why the file's cache may answer, or the device cannot be asked.
pub fn below(name: &str) -> Result<(u64, u64), String> {
    let path = Path::new("/dev").join(name);
    let shown = path.display();
    let device = File::open(&path).map_err(|error| format!("open {shown}: {error}"))?;
    let info = status(&device).map_err(|e| format!("ioctl(LOOP_GET_STATUS64) {shown}: {e}"))?;
    if info.flags & LO_FLAGS_DIRECT_IO == 0 {
        return Err(format!("{name} is a loop device: its file's own cache may answer"));
    }
    // As `new_encode_dev` of linux/kdev_t.h packs them.
    let packed = info.device;
    Ok(((packed >> 8) & 0xfff, (packed & 0xff) | ((packed >> 12) & 0xf_ff00)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_the_kernel_has_them() {
        assert_eq!(size_of::<Info>(), 232);
        assert_eq!(size_of::<Config>(), 304);
    }
}
