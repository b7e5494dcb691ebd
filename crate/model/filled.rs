//! Rows and their like whose length kernels do not read: filled up with zeros as they are loaded, and zeros they stay.

/// Kernels read rows in runs of this many elements.
const ROW_MULTIPLE: u32 = 32;

/// Things in pieces of one length, each of which is filled up with zeros to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filled {
    /// As the file has them.
    pub length: u32,
    /// At least the length.
    pub room: u32,
}

impl Filled {
    /// Pieces of this length, which stay as they are.
    pub fn whole(length: u32) -> Self {
        Filled { length, room: length }
    }

    /// The same, up to what kernels read at a time.
    pub fn up(length: u32) -> Self {
        Filled { length, room: length.next_multiple_of(ROW_MULTIPLE) }
    }

    /// Where a place that begins a piece is, once all before it are filled up.
    pub fn place(self, at: u64) -> u64 {
        at / u64::from(self.length) * u64::from(self.room)
    }

    /// How much of the room is taken.
    pub fn share(self) -> f32 {
        self.length as f32 / self.room as f32
    }
}
