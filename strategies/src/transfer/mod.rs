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
    preadv_sendmsg::PreadvSendmsg,
    mmap_write::MmapWrite,
    mmap_heap_write::MmapHeapWrite,
    mmap_write_each::MmapWriteEach,
    mmap_writev::MmapWritev,
    sendfile::Sendfile,
    sendfile_dropbehind::SendfileDropbehind,
    ktls_sendfile::KtlsSendfile,
    splice::Splice,
    splice_tee::SpliceTee,
    vmsplice_splice::VmspliceSplice,
    copy_file_range::CopyFileRange,
    msg_zerocopy::MsgZerocopy,
    uring_read_send::UringReadSend,
    uring_fixed::UringFixed,
    uring_sqpoll::UringSqpoll,
    uring_splice::UringSplice,
    uring_send_zc::UringSendZc,
    uring_mmap_send_zc::UringMmapSendZc,
    direct_write::DirectWrite,
    direct_sendfile::DirectSendfile,
    direct_send_zc::DirectSendZc,
    uncached_write::UncachedWrite,
}
