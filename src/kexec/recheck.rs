//! A second look at what is loaded, right before it is jumped to.

use super::Digest;
use super::error::LoadError;
use super::plan::What;
use super::state::Loaded;
use crate::memory::Range;

impl Loaded {
    /// Hashes everything again that the next kernel gets: all segments, and an initrd that stays
    /// where it is. `bytes` is what memory holds.
    ///
    /// # Errors
    /// [`LoadError::Corrupt`] names the first that is not what was loaded.
    pub fn recheck<'m>(&self, bytes: impl Fn(Range) -> &'m [u8]) -> Result<(), LoadError> {
        let segments = &mut self.plan.segments.iter();
        segments.try_for_each(|segment| segment.verify(bytes(segment.dest)))?;
        match (self.kept, self.plan.initrd) {
            (Some(digest), Some(dest)) if Digest::of(bytes(dest)) != digest => {
                Err(LoadError::Corrupt { what: What::Initrd, dest })
            }
            _ => Ok(()),
        }
    }
}
