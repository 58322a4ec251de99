//! Measures scan, pack and apply of a directory: `publish_tree DIRECTORY WORK [NEXT]`. With NEXT
//! the difference from DIRECTORY to it is measured too. Prints one line a phase.
// A program for people at a terminal: it prints, and a failure may end it loudly.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use content::{
    ApplyBase, ApplyOptions, Cancel, Command, PackBase, PackOptions, ScanOptions, WholeFile,
};
use std::path::{Path, PathBuf};
use std::time::Instant;

fn main() {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let (work, sources) = match arguments.as_slice() {
        [first, work] => (work, vec![first]),
        [first, work, next] => (work, vec![first, next]),
        _ => {
            println!("publish_tree DIRECTORY WORK [NEXT]");
            return;
        }
    };
    for (index, source) in sources.into_iter().enumerate() {
        publish(source, work, index as u64 + 1);
    }
}

fn publish(source: &Path, work: &Path, release: u64) {
    let site = work.join("site");
    let tree_path = work.join(format!("{release}.scan"));
    let scan = ScanOptions {
        directory: source,
        shadow_tree_path: None,
        out_tree_path: &tree_path,
    };
    let start = now();
    let scanned = content::scan(&scan, &mut |_| true).unwrap().summary;
    report("scan", start, scanned.total_bytes);
    let (base_directory, base_tree) = (
        content::release_directory(&site, release - 1),
        content::tree_path(&site, release - 1),
    );
    let base = (release > 1).then_some(());
    let (stream, vouches) = (work.join("stream"), work.join("vouch"));
    let start = now();
    let packed = content::pack(
        &PackOptions {
            directory: source,
            tree_path: &tree_path,
            base: base.map(|()| PackBase {
                release: release - 1,
                directory: &base_directory,
                tree_path: &base_tree,
            }),
            serial: release,
            command: Command::Publish,
            site: "www",
            release,
            out_path: &stream,
            vouch_path: &vouches,
            chunk_bytes: 0,
            signing_key: &[7; 32],
            created_ns: 0,
        },
        &mut |_| true,
    )
    .unwrap();
    report("pack", start, packed.content_bytes);
    let start = now();
    let applied = content::apply(&ApplyOptions {
        source: &WholeFile::open(&stream).unwrap(),
        stream_path: &stream,
        assignment: packed.assignment,
        base: base.map(|()| ApplyBase {
            directory: &base_directory,
            tree_path: &base_tree,
        }),
        target_directory: &content::release_directory(&site, release),
        tree_path: &content::tree_path(&site, release),
        cancel: &Cancel::new(),
    })
    .unwrap();
    report("apply", start, packed.content_bytes);
    println!(
        "{} files, {} bytes; {} brought, {} shared; stream {} bytes",
        scanned.file_count,
        scanned.total_bytes,
        applied.files_written,
        applied.files_shared,
        packed.stream_bytes
    );
}

// Figures for people: 52 bits are more than they read.
#[allow(clippy::cast_precision_loss)]
fn report(phase: &str, start: (Instant, f64), bytes: u64) {
    let seconds = start.0.elapsed().as_secs_f64();
    let cpu_seconds = cpu_seconds() - start.1;
    let rate = bytes as f64 / cpu_seconds / 1e6;
    println!(
        "{phase:6} {:8.1} ms, {:8.1} ms CPU, {rate:8.1} MB a CPU second",
        seconds * 1e3,
        cpu_seconds * 1e3
    );
}

fn now() -> (Instant, f64) {
    (Instant::now(), cpu_seconds())
}

/// CPU time of all threads of this process, user and system.
// Figures for people: 52 bits are more than they read.
#[allow(clippy::cast_precision_loss)]
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
