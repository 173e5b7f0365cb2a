//! `kexec load`: plan, check, write, hash, clean. Nothing is changed before all of it is known to
//! fit, and what is written is read back.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use super::Kernel;
use crate::config::MAX_DTB;
use crate::fdt::edit::{self, Changes, QUARANTINE};
use crate::kexec::{self, Files, Granules, InitrdChoice, Kind, Loaded, Plan, Request, What};
use crate::memory::{Owner, Range};
use crate::platform::{LPI_TABLES, Reserved};
use crate::shell::command::{Initrd, KexecLoad};

/// Room that the next kernel's own editing may need on top of the current tree.
const TREE_SLACK: usize = 8 << 10;

/// Most bytes that a packed initrd may unpack to: what the heap can hold at most.
pub const UNPACK_LIMIT: usize = 96 << 20;

impl Kernel {
    /// The initrd as bytes, if there is one.
    pub fn initrd(&self) -> Option<(&'static [u8], Range)> {
        let range = self.boot.description.initrd?;
        let ours = self.boot.map.owner_of(range.start) == Some(Owner::Initrd);
        ours.then(|| (self.board.bytes(range), range))
    }

    /// Loads the next kernel in place of the one that may be loaded.
    ///
    /// # Errors
    /// What was wrong and what to do; nothing has changed then.
    pub fn load(&mut self, ask: &KexecLoad) -> Result<(), String> {
        let (initrd, initrd_at) =
            self.initrd().ok_or("there is no initrd, so there are no files; boot with -initrd")?;
        let files = Files::open(initrd, UNPACK_LIMIT).map_err(|e| e.to_string())?;
        let get = |path: &str| {
            files.get(path).ok_or_else(|| format!("{path}: no such file; `files` lists them"))
        };
        let image = get(&ask.path)?;
        let initrd = match &ask.initrd {
            None | Some(Initrd::Keep) => InitrdChoice::Keep(initrd_at),
            Some(Initrd::None) => InitrdChoice::None,
            Some(Initrd::File(path)) => InitrdChoice::Bytes(get(path)?),
        };
        let inherited = self.inherited_bootargs();
        let bootargs = ask.append.as_deref().unwrap_or(&inherited);
        let tree = ask.dtb.as_deref().map_or(Ok(self.boot.dtb), get)?.to_vec();
        let granules = Granules::FOUR_K;
        let request = Request { image, kind: Kind::Image, initrd, bootargs, at: ask.at, granules };
        // What is loaded now goes only after the new one is known to be good, but its room counts.
        let mut map = self.boot.map.clone();
        if let Some(old) = &self.loaded {
            old.plan.release(&mut map).map_err(|e| e.to_string())?;
        }
        let room = (tree.len() + bootargs.len() + TREE_SLACK).min(MAX_DTB);
        let mut plan = kexec::plan(&request, &map, room).map_err(|e| e.to_string())?;
        let next =
            self.next_tree(&tree, bootargs, plan.initrd, &[]).map_err(|why| match &ask.dtb {
                Some(path) => format!("{path}: {why}; leave --dtb out to pass on the running tree"),
                None => why,
            })?;
        plan.seal_dtb(&next).map_err(|e| e.to_string())?;
        plan.claim(&mut map).map_err(|e| e.to_string())?;
        let contents = |what| match what {
            What::Kernel => image,
            What::Dtb => &next,
            What::Initrd => match initrd {
                InitrdChoice::Bytes(bytes) => bytes,
                _ => &[],
            },
        };
        self.loaded = None;
        self.boot.map = map;
        self.write(&plan, contents);
        let loaded =
            Loaded { name: ask.path.clone(), bootargs: bootargs.into(), plan, source_tree: tree };
        if let Err(error) = verify(&loaded.plan, |range| self.board.bytes(range)) {
            // Memory that does not keep what is written to it: nothing can be loaded there.
            let _ = loaded.plan.release(&mut self.boot.map);
            return Err(error);
        }
        self.loaded = Some(loaded);
        Ok(())
    }

    /// Writes the segments where they will run and cleans them to the point of coherency.
    fn write<'b>(&self, plan: &Plan, contents: impl Fn(What) -> &'b [u8]) {
        for segment in &plan.segments {
            let bytes = contents(segment.what);
            self.board.write(segment.dest.start, bytes);
            let rest = Range::new(segment.dest.start + bytes.len() as u64, segment.dest.end);
            self.board.zero(rest);
            self.board.clean(segment.dest);
        }
    }

    /// The tree for the next kernel.
    fn next_tree(
        &self,
        current: &[u8],
        bootargs: &str,
        initrd: Option<Range>,
        quarantine: &[Range],
    ) -> Result<Vec<u8>, String> {
        // A CPU that was parked, by us or by a kernel before us, stays where it is for good, and so
        // do tables that redistributors write to.
        let kept = |r: &&Reserved| r.name.contains(QUARANTINE) || r.name.starts_with(LPI_TABLES);
        let inherited = self.boot.description.reserved.iter().filter(kept).map(|r| r.range);
        let quarantine: Vec<Range> = inherited.chain(quarantine.iter().copied()).collect();
        let changes = Changes {
            bootargs,
            initrd,
            handover: Some(self.boot.claims.handover),
            rng_seed: Some(self.fresh_seed()),
            kaslr_seed: self.fresh_seed().first_chunk().map(|seed| u64::from_be_bytes(*seed)),
            quarantine: &quarantine,
            old_tree: Some(self.boot.dtb_range),
        };
        let mut out = Vec::new();
        edit::next_tree(current, &changes, &mut out).map_err(|e| e.to_string())?;
        Ok(out)
    }

    /// Writes the loaded kernel's tree again, with memory reserved in which CPUs are parked.
    ///
    /// # Errors
    /// What was wrong; the tree is as it was.
    pub(super) fn reserve_quarantine(&mut self, quarantine: &[Range]) -> Result<(), String> {
        let Some(mut loaded) = self.loaded.take() else { return Ok(()) };
        let result = self
            .next_tree(&loaded.source_tree, &loaded.bootargs, loaded.plan.initrd, quarantine)
            .and_then(|tree| {
                loaded.plan.seal_dtb(&tree).map_err(|e| e.to_string())?;
                self.board.write(loaded.plan.dtb.start, &tree);
                self.board.clean(loaded.plan.dtb);
                Ok(())
            });
        self.loaded = Some(loaded);
        result
    }

    /// Drops what is loaded and frees its memory.
    ///
    /// # Errors
    /// Nothing is loaded.
    pub fn unload(&mut self) -> Result<(), String> {
        let loaded =
            self.loaded.take().ok_or("no kernel is loaded; `kexec load PATH` loads one")?;
        loaded.plan.release(&mut self.boot.map).map_err(|e| e.to_string())
    }

    /// A seed for the next kernel: the hardware's numbers where there are any, stirred with the
    /// seed that came to us and the counter, so that no kernel gets the one before's.
    fn fresh_seed(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.boot.description.rng_seed.as_deref().unwrap_or(&[]));
        for _ in 0..4 {
            hash.update(self.board.random().unwrap_or_default().to_le_bytes());
            hash.update(self.board.now().to_le_bytes());
        }
        hash.update(self.hotplug.generation().to_le_bytes());
        hash.finalize().into() // never the same twice: the counter has moved
    }
}

fn verify(plan: &Plan, bytes: impl Fn(Range) -> &'static [u8]) -> Result<(), String> {
    plan.segments
        .iter()
        .try_for_each(|segment| segment.verify(bytes(segment.dest)).map_err(|e| e.to_string()))
}
