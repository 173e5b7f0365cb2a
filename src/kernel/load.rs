//! `kexec load`: plan, check, write, hash, clean, protect. Nothing is changed before every part has
//! a place, and everything written is read back.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Kernel, Level};
use crate::config::MAX_DTB;
use crate::kexec::signature::Asked;
use crate::kexec::{
    self, Files, InitrdAsk, InitrdChoice, KexecLoad, Kind, LoadError, LoadPart, LoadRequest,
    Loaded, Packing, PlaceError, Plan, packed,
};
use crate::machine::Granules;
use crate::memory::{Map, MapError, Owner, Range};

/// Room that the next kernel's own editing may need on top of the current tree.
const TREE_SLACK: usize = 8 << 10;

/// Most bytes that a packed file may unpack to: what the heap can hold at most.
pub const UNPACK_LIMIT: usize = 96 << 20;

/// Packed kernels of this size take long enough for a word before.
const LONG: usize = 1 << 20;

impl Kernel {
    /// The initrd as bytes, if there is one.
    pub fn initrd(&self) -> Option<(&'static [u8], Range)> {
        let range = self.boot.params.initrd?;
        let ours = self.boot.map.owner_of(range.start) == Some(Owner::Initrd);
        ours.then(|| (self.board.bytes(range), range))
    }

    /// Loads the next kernel in place of the one that may be loaded.
    ///
    /// # Errors
    /// What was wrong and what to do; nothing has changed then.
    pub fn load(&mut self, ask: &KexecLoad) -> Result<(), String> {
        let (own, own_at) =
            self.initrd().ok_or("there is no initrd, so there are no files; boot with -initrd")?;
        let files = Files::open(own, UNPACK_LIMIT).map_err(|e| e.to_string())?;
        let mut chosen = self.find(ask, &files, own_at)?;
        let asked = chosen.as_signed(self.chosen_initrd(chosen.initrd));
        let signature = self.check_signature(ask, &files, &asked)?;
        let kept = self.kept_digest(chosen.initrd);
        let (image, packing) = self.flat(chosen.file, chosen.kind)?;
        let tree = Self::without_seeds(chosen.dtb.unwrap_or(self.boot.dtb).to_vec());
        let (mut plan, mut map) = self.plan(&mut chosen, &image, tree.len(), own)?;
        let mut next = self.tree_for(ask, &chosen, &tree, &plan)?;
        plan.seal_dtb(&next).map_err(|e| e.to_string())?;
        plan.claim(&mut map).map_err(|e| e.to_string())?;
        // From here on nothing refuses; what is loaded now goes only after the new one is good.
        if let Some(old) = self.loaded.take() {
            self.wipe(&old);
        }
        self.boot.map = map;
        self.write(&plan, |what| match (what, chosen.initrd) {
            (LoadPart::Kernel, _) => &image,
            (LoadPart::Dtb, _) => &next,
            (LoadPart::Initrd, InitrdChoice::Bytes(bytes)) => bytes,
            _ => &[],
        });
        next.fill(0);
        core::hint::black_box(&next); // the stores count
        self.finish(Loaded {
            name: ask.path.clone(),
            bootargs: chosen.bootargs,
            packing,
            plan,
            source_tree: tree,
            guarded: Vec::new(),
            kept,
            signature,
        })
    }

    /// Finds what is asked for among the files.
    fn find<'f>(
        &self,
        ask: &KexecLoad,
        files: &'f Files<'_>,
        own_at: Range,
    ) -> Result<Chosen<'f>, String> {
        let get = |path: &str| {
            files.get(path).ok_or_else(|| format!("{path}: no such file; `files` lists them"))
        };
        Ok(Chosen {
            file: get(&ask.path)?,
            kind: ask.kind,
            initrd: match &ask.initrd {
                None | Some(InitrdAsk::Keep) => InitrdChoice::Keep(own_at),
                Some(InitrdAsk::None) => InitrdChoice::None,
                Some(InitrdAsk::File(path)) => InitrdChoice::Bytes(get(path)?),
            },
            dtb: ask.dtb.as_deref().map(get).transpose()?,
            bootargs: ask.append.clone().unwrap_or_else(|| self.inherited_bootargs()),
            at: ask.at,
        })
    }

    /// Finds room for every part. The room of the kernel that is loaded now counts as free. An
    /// initrd that should stay in place makes way if the caller wants the kernel there; the initrd
    /// is then a copy of `own`.
    fn plan<'f>(
        &self,
        chosen: &mut Chosen<'f>,
        image: &[u8],
        tree: usize,
        own: &'f [u8],
    ) -> Result<(Plan, Map), String> {
        let mut map = self.boot.map.clone();
        if let Some(old) = &self.loaded {
            old.plan.release(&mut map).map_err(|e| e.to_string())?;
        }
        let room = (tree + chosen.bootargs.len() + TREE_SLACK).min(MAX_DTB);
        let granules = self.board.granules();
        let mut planned = kexec::plan(&chosen.request(image, granules), &map, room);
        if matches!(planned, Err(error) if on_initrd(&error)) {
            chosen.initrd = InitrdChoice::Bytes(own);
            planned = kexec::plan(&chosen.request(image, granules), &map, room);
        }
        Ok((planned.map_err(|e| e.to_string())?, map))
    }

    fn tree_for(
        &self,
        ask: &KexecLoad,
        chosen: &Chosen<'_>,
        tree: &[u8],
        plan: &Plan,
    ) -> Result<Vec<u8>, String> {
        self.next_tree(tree, &chosen.bootargs, plan.initrd, &[]).map_err(|why| match &ask.dtb {
            Some(path) => format!("{path}: {why}; leave --dtb out to pass on the running tree"),
            None => why,
        })
    }

    /// The kernel in a file, unpacked.
    fn flat<'f>(&self, file: &'f [u8], kind: Kind) -> Result<(Cow<'f, [u8]>, Packing), String> {
        let unpacked = || {
            if kind == Kind::Raw {
                return Ok((Cow::Borrowed(file), Packing::Flat));
            }
            let packing = packed::packing(file)?;
            if packing != Packing::Flat && file.len() > LONG {
                self.print(&format!("unpacking {} bytes, {}", file.len(), packing.name()));
            }
            Ok((packed::unpack(file, packing, UNPACK_LIMIT)?, packing))
        };
        unpacked().map_err(|error| LoadError::Packed(error).to_string())
    }

    /// Writes every segment to its place and cleans that memory to the point of coherency.
    fn write<'b>(&self, plan: &Plan, contents: impl Fn(LoadPart) -> &'b [u8]) {
        for segment in &plan.segments {
            let bytes = contents(segment.what);
            self.board.write(segment.dest.start, bytes);
            let rest = Range::new(segment.dest.start + bytes.len() as u64, segment.dest.end);
            self.board.zero(rest);
            self.board.clean(segment.dest);
        }
    }

    /// Reads the written segments back, and makes their memory read-only.
    fn finish(&mut self, mut loaded: Loaded) -> Result<(), String> {
        let plan = &loaded.plan;
        let good = verify(plan, |range| self.board.bytes(range)).and_then(|()| match &plan.copy {
            Some(copy) => self.board.prepare_copy(copy, plan.entry, plan.dtb.start),
            None => Ok(()),
        });
        if let Err(error) = good {
            // The memory does not keep what is written: nothing can be loaded there.
            let _ = loaded.plan.release(&mut self.boot.map);
            return Err(error);
        }
        loaded.guarded = plan.ranges().filter_map(|range| self.guard(range)).collect();
        self.loaded = Some(loaded);
        Ok(())
    }

    /// Makes memory of the loaded kernel read-only; `None` if that can't be done at this place.
    /// Where memory is mapped in blocks of 2 MiB, only whole blocks can be protected: a block
    /// qualifies if no part belongs to an owner that writes.
    fn guard(&mut self, range: Range) -> Option<Range> {
        let idle = |r: &Range| only_loaded(&self.boot.map, *r);
        let whole = range.grow_to(BLOCK).filter(idle);
        let inner = range.shrink_to(BLOCK);
        let choices = [whole, Some(range), Some(inner)].into_iter().flatten();
        let board = self.board;
        let found = choices.filter(|r| !r.is_empty()).find(|r| board.protect(*r, true));
        if !found.is_some_and(|found| found.covers(&range)) {
            let kept = found.map_or(String::from("none"), |r| r.to_string());
            let text = format!("of {range}, where it is loaded, {kept} is read-only");
            self.say(Level::Warning, &text);
        }
        found
    }

    pub(super) fn unguard(&self, range: Range) {
        self.board.protect(range, false);
    }

    /// Drops what is loaded and frees its memory.
    ///
    /// # Errors
    /// Nothing is loaded.
    pub fn unload(&mut self) -> Result<(), String> {
        let loaded = self.loaded.take().ok_or(super::NOTHING_LOADED)?;
        self.wipe(&loaded);
        loaded.plan.release(&mut self.boot.map).map_err(|e| e.to_string())
    }

    /// Clears the memory of a kernel that will not run: initrd and seeds must not stay readable.
    fn wipe(&self, loaded: &Loaded) {
        loaded.guarded.iter().for_each(|&range| self.unguard(range));
        loaded.plan.ranges().for_each(|range| self.board.zero(range));
    }
}

/// What is to be loaded, found.
struct Chosen<'f> {
    /// The kernel's file, packed or not.
    file: &'f [u8],
    kind: Kind,
    initrd: InitrdChoice<'f>,
    /// Another tree than the running one.
    dtb: Option<&'f [u8]>,
    bootargs: String,
    at: Option<u64>,
}

impl<'f> Chosen<'f> {
    /// What a signature covers: the kernel's file, packed or not.
    fn as_signed<'s>(&'s self, initrd: Option<&'s [u8]>) -> Asked<'s> {
        let Self { kind, file: image, dtb, .. } = *self;
        Asked { kind, image, initrd, dtb, append: &self.bootargs }
    }

    fn request<'r>(&'r self, image: &'r [u8], granules: Granules) -> LoadRequest<'r> {
        let Self { kind, initrd, at, .. } = *self;
        LoadRequest { image, kind, initrd, bootargs: &self.bootargs, at, granules }
    }
}

/// What a level 2 entry of the page tables maps.
const BLOCK: u64 = 2 << 20;

/// True if no part of the range is written as long as a kernel is loaded. The running kernel's tree
/// and initrd are only read, and free memory is given only to another load, which ends the present
/// one.
fn only_loaded(map: &Map, range: Range) -> bool {
    let here = map.regions().filter(|region| region.range.overlaps(&range));
    let idle = |o| matches!(o, Owner::Segment | Owner::Free | Owner::Dtb | Owner::Initrd);
    here.clone().count() > 0 && here.into_iter().all(|region| idle(region.owner))
}

/// True if the place asked for the kernel overlaps the initrd that should stay in place.
fn on_initrd(error: &LoadError) -> bool {
    let LoadError::Place(PlaceError::Taken { what: LoadPart::Kernel, error }) = error else {
        return false;
    };
    matches!(error, MapError::InUse { owner: Owner::Initrd, .. })
}

fn verify(plan: &Plan, bytes: impl Fn(Range) -> &'static [u8]) -> Result<(), String> {
    plan.segments
        .iter()
        .try_for_each(|segment| segment.verify(bytes(segment.dest)).map_err(|e| e.to_string()))
}
