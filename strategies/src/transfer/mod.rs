//! The transfer strategies: log to sink, one file each.

use crate::Strategy;

/// Declares the module of each strategy and its place in the catalogue, both by one line.
macro_rules! catalogue {
    ($($module:ident::$strategy:ident,)*) => {
        $(pub mod $module;)*

        /// The catalogue, in the order of the story that reports tell.
        ///
        /// Adding a strategy is one file in this folder and one line in `transfer/mod.rs`.
        pub const ALL: &[&dyn Strategy] = &[$(&$module::$strategy),*];

        /// The source of each, in the same order: its documentation is its lesson.
        pub(crate) const SOURCES: &[&str] =
            &[$(include_str!(concat!(stringify!($module), ".rs"))),*];
    };
}

catalogue! {
    null::Null,
    read_write::ReadWrite,
    mmap_write::MmapWrite,
    sendfile::Sendfile,
    splice::Splice,
    uring_read_send::UringReadSend,
    direct_write::DirectWrite,
}
