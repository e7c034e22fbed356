//! The one writer of the segments: one write and one `fdatasync` per entry, and the next segment made in time.
//!
//! A write that failed leaves bytes behind; the next write at that place covers them all, so nothing of it can be taken
//! for a frame later. Segments are zero-filled before they are used, hence room is found or missed before an entry is
//! half written.

use super::{
    Options,
    segment::{self, FRAME_HEAD, SEGMENT_HEAD, Segment},
};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, JoinHandle},
};

const PREPARED: &str = "prepared";

#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    options: Options,
    /// End of what a failed write may have left, in the newest segment.
    dirty: u64,
    /// A zero-filled file being made for the segment after this one.
    next: Option<JoinHandle<io::Result<()>>>,
    buffer: Vec<u8>,
    /// A segment made for an entry that is not stored yet.
    fresh: Option<Arc<Segment>>,
}

impl Writer {
    pub(super) const fn new(dir: PathBuf, options: Options) -> Self {
        Self {
            dir,
            options,
            dirty: 0,
            next: None,
            buffer: Vec::new(),
            fresh: None,
        }
    }

    /// Writes a frame at the end of the newest segment, or of a new one; returns where it is, durable.
    pub(super) fn append(
        &mut self,
        newest: Option<(Arc<Segment>, u64)>,
        index: u64,
        entry: &[u8],
    ) -> io::Result<(Arc<Segment>, u64)> {
        let frame = FRAME_HEAD + entry.len() as u64;
        let begun = self.fresh.is_some();
        let (segment, at) = match newest {
            Some((segment, end)) if !begun && end + frame <= segment.len => (segment, end),
            Some((segment, end)) => {
                if !begun && self.dirty > end {
                    // INVARIANT: only zeros follow the last frame of a segment that has a successor.
                    zero(&segment.file, end, self.dirty)?;
                    self.dirty = 0;
                }
                (self.roll(index, frame)?, SEGMENT_HEAD)
            }
            None => (self.roll(index, frame)?, SEGMENT_HEAD),
        };
        self.write(&segment, at, index, entry)?;
        self.fresh = None;
        self.prepare(&segment, at + frame);
        Ok((segment, at))
    }

    fn write(&mut self, segment: &Segment, at: u64, index: u64, entry: &[u8]) -> io::Result<()> {
        self.buffer.clear();
        segment::put_frame(&mut self.buffer, index, entry);
        let end = at + self.buffer.len() as u64;
        if self.dirty > end {
            self.buffer.resize((self.dirty - at) as usize, 0);
        }
        self.dirty = self.dirty.max(end);
        segment.file.write_all_at(&self.buffer, at)?;
        segment.file.sync_data()?;
        self.dirty = 0;
        Ok(())
    }

    /// Makes the segment that begins with `index` and holds at least one frame of this size.
    fn roll(&mut self, index: u64, frame: u64) -> io::Result<Arc<Segment>> {
        if let Some(segment) = self.fresh.as_ref().filter(|s| s.first == index) {
            if SEGMENT_HEAD + frame <= segment.len {
                return Ok(Arc::clone(segment));
            }
            fs::remove_file(&segment.path)?;
            self.fresh = None;
        }
        let len = self.options.segment_bytes.max(SEGMENT_HEAD + frame);
        let prepared = self.dir.join(PREPARED);
        let made = self.next.take().map(JoinHandle::join);
        let ready = matches!(made, Some(Ok(Ok(()))))
            && fs::metadata(&prepared).is_ok_and(|m| m.len() >= len);
        if !ready {
            self.room(len)?;
            fill(&prepared, len)?;
        }
        let file = File::options().write(true).open(&prepared)?;
        file.write_all_at(&segment::head(index), 0)?;
        file.sync_data()?;
        let path = self.dir.join(segment::name(index));
        fs::rename(&prepared, &path)?;
        File::open(&self.dir)?.sync_all()?;
        let segment = Segment::open(&path, index, true).map_err(io::Error::other)?;
        self.dirty = 0;
        let segment = Arc::new(segment);
        self.fresh = Some(Arc::clone(&segment));
        Ok(segment)
    }

    /// Starts the next segment's file once this one is half full, so that no entry waits for it.
    fn prepare(&mut self, segment: &Segment, end: u64) {
        let len = self.options.segment_bytes;
        if self.next.is_some() || end < segment.len / 2 || self.room(len).is_err() {
            return;
        }
        let path = self.dir.join(PREPARED);
        let made = thread::Builder::new().name("segment".into());
        // Without a thread the file is made when it is needed.
        self.next = made.spawn(move || fill(&path, len)).ok();
    }

    fn room(&self, len: u64) -> io::Result<()> {
        let Some(max) = self.options.max_bytes else {
            return Ok(());
        };
        let mut used = len;
        for item in fs::read_dir(&self.dir)? {
            let item = item?;
            if item.file_name() != PREPARED {
                used += item.metadata()?.len();
            }
        }
        if used > max {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(next) = self.next.take() {
            // The next opening makes its own.
            let _ = next.join();
        }
    }
}

/// Makes a zero-filled file; what could not be finished is removed, to give its room back.
fn fill(path: &Path, len: u64) -> io::Result<()> {
    segment::fill(path, len).map(drop).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// Writes zeros over a range, durably.
pub(super) fn zero(file: &File, from: u64, to: u64) -> io::Result<()> {
    file.write_all_at(&vec![0; to.saturating_sub(from) as usize], from)?;
    file.sync_data()
}
