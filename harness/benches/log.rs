//! How many bytes of log does one core generate, verify and scan per second?
//!
//! `cargo bench -p zclab --bench log`. Files go to the directory that `ZCLAB_BENCH_DIR` names, else to
//! the system's temporary one; in memory (/dev/shm) the figures are those of the code, not of a disk.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::path::PathBuf;
use zclab::log::kafka::verify::verify;
use zclab::log::kafka::{Codec, Spec, generate};
use zclab::log::scan;

fn scratch() -> tempfile::TempDir {
    let dir = std::env::var_os("ZCLAB_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    tempfile::tempdir_in(dir).expect("a scratch directory")
}

/// Handing back the directory leaves the removal of its files out of the time.
fn generate_in(scratch: tempfile::TempDir, spec: &Spec) -> tempfile::TempDir {
    generate(spec, &scratch.path().join("bench-0"), &mut |_| {}).expect("a partition");
    scratch
}

/// Messages of 1 KiB in batches of 16 KiB, uncompressed.
fn uncompressed(criterion: &mut Criterion) {
    let spec = Spec { total_bytes: 256 << 20, ..Spec::default() };
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10).throughput(Throughput::Bytes(spec.total_bytes));
    group.bench_function("gen/none", |bencher| {
        bencher.iter_batched(
            scratch,
            |scratch| generate_in(scratch, &spec),
            BatchSize::PerIteration,
        );
    });
    let scratch = generate_in(scratch(), &spec);
    let dir = scratch.path().join("bench-0");
    group.bench_function("verify/none", |bencher| {
        bencher.iter(|| assert!(verify(&dir).expect("a partition").is_clean()));
    });
    group.bench_function("scan/none", |bencher| {
        bencher.iter(|| scan(&dir).expect("a log"));
    });
    group.finish();
}

/// Compression dominates here; the figure is per byte of log written, not of messages.
fn compressed(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("log");
    group.sample_size(10);
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let spec = Spec { total_bytes: 8 << 20, codec, ..Spec::default() };
        group.throughput(Throughput::Bytes(spec.total_bytes));
        group.bench_function(format!("gen/{}", codec.name()), |bencher| {
            bencher.iter_batched(
                scratch,
                |scratch| generate_in(scratch, &spec),
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, uncompressed, compressed);
criterion_main!(benches);
