//! What does a lab do that is lied to?

use std::path::{Path, PathBuf};
use std::process::Command;

/// A library whose sendfile copies: nothing that a strategy could notice.
const LIAR: &str = "
#include <sys/types.h>
#include <unistd.h>
ssize_t sendfile64(int to, int from, off_t *at, size_t len) {
    static char buffer[65536];
    ssize_t got = pread(from, buffer, len < sizeof buffer ? len : sizeof buffer, *at);
    if (got <= 0) return got;
    ssize_t sent = write(to, buffer, got);
    if (sent > 0) *at += sent;
    return sent;
}
ssize_t sendfile(int to, int from, off_t *at, size_t len) { return sendfile64(to, from, at, len); }
";

/// Compiles it in this folder; a line says why, where it cannot be.
pub fn liar(dir: &Path) -> Option<PathBuf> {
    library(dir, LIAR)
}

/// The same of any source.
pub fn library(dir: &Path, text: &str) -> Option<PathBuf> {
    let (source, library) = (dir.join("liar.c"), dir.join("liar.so"));
    std::fs::write(&source, text).unwrap();
    let mut cc = Command::new("cc");
    let built = cc.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).output();
    match built {
        Ok(output) if output.status.success() => Some(library),
        Ok(output) => panic!("cc: {}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            println!("SKIPPED: a library that lies: cc: {error} (apt-get install gcc)");
            None
        }
    }
}
