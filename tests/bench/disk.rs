//! The disk alone: what one durable record costs where nothing else is done.

use crate::{
    cell::{Waits, waits},
    clock::now,
};
use rustix::fs::FallocateFlags;
use std::{fs::File, os::unix::fs::FileExt, path::Path};

const RECORD: usize = 1024;
const RECORDS: u64 = 2000;

/// Appends of 1 KiB into a preallocated file, each with fdatasync, in a directory.
pub fn append(dir: &Path) -> anyhow::Result<Waits> {
    let path = dir.join("bench-append");
    let file = File::create_new(&path)?;
    let record = [0x42; RECORD];
    rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, RECORDS * RECORD as u64)?;
    // Written once: what is measured must not turn unwritten extents into written ones.
    for number in 0..RECORDS {
        file.write_all_at(&[0; RECORD], number * RECORD as u64)?;
    }
    file.sync_all()?;
    let mut all = Vec::new();
    for number in 0..RECORDS {
        let start = now();
        file.write_all_at(&record, number * RECORD as u64)?;
        file.sync_data()?;
        all.push(u64::try_from(start.elapsed().as_nanos())?);
    }
    std::fs::remove_file(path)?;
    Ok(waits(all))
}
