//! The next kernel: `kexec load` plans, checks, writes, hashes, cleans and protects. Nothing is
//! changed before every part has a place, and everything written is read back.

mod carry;
mod chosen;
mod rehearsal;
mod segments;
mod signature;
mod tree;
mod uefi;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{Level, Next, Reporter};
use crate::config::MAX_DTB;
use crate::cpu::Mpidr;
use crate::handover::results_bytes;
use crate::kexec::{
    self, BatonMark, Digest, Files, InitrdChoice, KexecLoad, Kind, LoadError, LoadPart, Loaded,
    PlaceError, Plan,
};
use crate::machine::Board;
use crate::memory::{Map, MapError, Owner, Piece, Ram, Range};
use crate::options::{CommandLine, Options, Signatures};
use crate::platform::{BootParams, Described, PlatformError};
use chosen::Chosen;
pub use chosen::UNPACK_LIMIT;
pub(super) use rehearsal::Here;
use tree::Extra;
pub(super) use tree::{Own, OwnTree};

/// Why nothing can be done with the next kernel.
pub const NOTHING_LOADED: &str = "no kernel is loaded; `kexec load PATH` loads one";

/// What a next baton does if it is not told the machine.
const READ_FIRST: &str = "the next kernel reads its tree before it starts its CPUs";

/// Room that the next kernel's own editing may need on top of the current tree.
const TREE_SLACK: usize = 8 << 10;

/// Room for what a next baton is told: so much, and so much for each CPU.
const WARM_ROOM: (usize, usize) = (8 << 10, 64);

/// The owners of memory, what this kernel was booted with, and the next kernel if one is loaded.
pub struct Loader {
    board: &'static dyn Board,
    /// All RAM.
    ram: Ram,
    /// This machine, as the next kernel will find it.
    here: Here,
    /// This kernel's tree.
    tree: OwnTree,
    /// This kernel's initrd, if it was given one.
    initrd: Option<(&'static [u8], Range)>,
    /// This kernel's command line.
    bootargs: CommandLine,
    /// Which signatures permit a load.
    signatures: Signatures,
    /// Hash again before each jump, whatever the command says.
    verify: bool,
    /// A next baton is told the machine.
    warm: bool,
    loaded: Option<Loaded>,
    /// What the tree of the loaded kernel has of this run's results.
    results: Option<Vec<u8>>,
}

impl Loader {
    /// For a kernel that was booted with `tree`, `initrd` and `bootargs`; `options` says which
    /// signatures permit a load, and whether what is loaded is hashed again before each jump.
    pub(super) fn new(
        board: &'static dyn Board,
        ram: Ram,
        here: Here,
        tree: OwnTree,
        initrd: Option<(Piece, Range)>,
        bootargs: CommandLine,
        options: &Options,
    ) -> Self {
        let Options { signatures, verify, warm, .. } = *options;
        let initrd = initrd.map(|(piece, range)| (exact(board, piece, range), range));
        let (loaded, results) = (None, None);
        Self { board, ram, here, tree, initrd, bootargs, signatures, verify, warm, loaded, results }
    }

    /// The owner of every page of RAM.
    pub fn map(&self) -> &Map {
        self.ram.map()
    }

    /// The initrd as bytes, if there is one.
    pub fn initrd(&self) -> Option<(&'static [u8], Range)> {
        self.initrd
    }

    /// The bootargs that the next kernel gets by default: this kernel's, without the commands meant
    /// for this kernel.
    ///
    /// # Errors
    /// They are not known in full, or are longer than what may be handed on: nothing is left out
    /// silently.
    pub fn inherited_bootargs(&self) -> Result<CommandLine, String> {
        chosen::inherited(&self.bootargs)
    }

    /// Why this kernel's command line can't be given to the next one as it is.
    pub(super) fn why_not_inherited(&self) -> Option<LoadError> {
        kexec::check_bootargs(self.bootargs.bytes()).err()
    }

    /// True if what is loaded is hashed again before each jump, whatever a command says.
    pub fn verifies(&self) -> bool {
        self.verify
    }

    /// What is loaded, if anything is.
    pub fn loaded(&self) -> Option<&Loaded> {
        self.loaded.as_ref()
    }

    /// Loads the next kernel in place of the one that may be loaded.
    ///
    /// # Errors
    /// What was wrong and what to do; nothing has changed then.
    pub fn load(&mut self, out: &mut Reporter, ask: &KexecLoad) -> Result<(), String> {
        let (own, own_at) =
            self.initrd().ok_or("there is no initrd, so there are no files; boot with -initrd")?;
        let files = Files::open(own, UNPACK_LIMIT).map_err(|e| e.to_string())?;
        files.damage().iter().for_each(|damage| out.say(Level::Warning, &damage.to_string()));
        let mut chosen = Chosen::find(ask, &files, own_at, || self.inherited_bootargs())?;
        let mut permit = signature::permit(out, self.board, self.signatures, ask, &files)?;
        // Each part is compared with the signature by a digest of the bytes that are used.
        chosen.agree(&permit)?;
        let tree = chosen.dtb.unwrap_or(self.tree.bytes()).to_vec();
        permit.dtb(chosen.dtb.map(|_| &tree[..]))?;
        let tree = tree::without_seeds(tree);
        let initrd = permit.initrd(chosen.initrd_bytes(own))?;
        let (image, packing) = chosen.flat(out, &mut permit)?;
        let (mut plan, mut after) = self.plan(&mut chosen, &image, tree.len(), own)?;
        permit.planned(&plan, packing, initrd)?;
        let kept = matches!(chosen.initrd, InitrdChoice::Keep(_));
        let kept = kept.then(|| initrd.unwrap_or_else(|| Digest::of(own)));
        let mut next = self.tree_for(ask, &chosen, &tree, &plan)?;
        let is_baton = BatonMark::of(&image).is_some();
        let told = is_baton && self.rehearse(out, ask, &mut next, &plan)?;
        plan.seal_dtb(&next).map_err(|e| e.to_string())?;
        plan.claim(&mut after).map_err(|e| e.to_string())?;
        self.results = None;
        // From here on nothing refuses, as `after` shows; what is loaded now goes only when the new
        // one is good.
        if let Some(old) = self.loaded.take() {
            self.drop_loaded(old)?;
        }
        let mut pieces = plan.take(&mut self.ram).map_err(|e| e.to_string())?;
        segments::write(self.board, &plan, &mut pieces, |what| match (what, chosen.initrd) {
            (LoadPart::Kernel, _) => &image,
            (LoadPart::Dtb | LoadPart::DtbCopy, _) => &next,
            (LoadPart::Initrd, InitrdChoice::Bytes(bytes)) => bytes,
            _ => &[],
        });
        next.fill(0);
        core::hint::black_box(&next); // the stores count
        let loaded = Loaded {
            name: ask.path.clone(),
            bootargs: chosen.bootargs,
            packing,
            baton: is_baton,
            plan,
            source_tree: tree,
            pieces,
            guarded: Vec::new(),
            kept,
            signature: permit.checked(out),
            told,
        };
        self.finish(out, loaded)?;
        self.amend_tables(out);
        Ok(())
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
        let mut map = self.ram.map().clone();
        if let Some(old) = &self.loaded {
            old.plan.release(&mut map).map_err(|e| e.to_string())?;
        }
        let bootargs = chosen.bootargs.bytes().len();
        let told = WARM_ROOM.0 + WARM_ROOM.1 * self.here.cpus();
        let told = match BatonMark::of(image) {
            Some(_) => bootargs + told,
            // What does not fit into the tree of a flat binary stays out: its tree may have to fit
            // where RAM begins.
            None if chosen.kind() == Kind::Image => results_bytes(self.here.cpus()) as usize,
            None => 0,
        };
        let room = (tree + bootargs + TREE_SLACK + told).min(MAX_DTB);
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
        let next = self.tree.next(tree, chosen.bootargs.bytes(), plan.initrd, Extra::default());
        next.map_err(|why| match &ask.dtb {
            Some(path) => format!("{path}: {why}; leave --dtb out to pass on the running tree"),
            None => why,
        })
    }

    /// A baton must come up with its tree: this kernel reads that tree as the next one will. What it
    /// reads goes along, so that the next kernel can start its CPUs first; `false` if it does not.
    fn rehearse(
        &self,
        out: &mut Reporter,
        ask: &KexecLoad,
        tree: &mut Vec<u8>,
        plan: &Plan,
    ) -> Result<bool, String> {
        let firmware = self.board.firmware();
        let rehearsed = self.here.rehearse(tree, firmware, plan.kernel(), plan.dtb);
        let rehearsed = rehearsed.map_err(|why| {
            let hint = match &ask.dtb {
                Some(path) => format!("{path}: leave --dtb out to pass on the running tree"),
                None => "give another tree with --dtb".into(),
            };
            format!("this kernel could not come up with its tree: {why}; {hint}")
        })?;
        rehearsed.mute().into_iter().for_each(|word| out.say(Level::Warning, word));
        if !self.warm {
            return Ok(false);
        }
        match rehearsed.carried_by(tree, plan.dtb) {
            Ok(carries) => {
                tree.fill(0); // its seeds
                *tree = carries;
                Ok(true)
            }
            Err(why) => {
                out.say(Level::Warning, &format!("{why}; {READ_FIRST}"));
                Ok(false)
            }
        }
    }

    /// True if a next baton is told the machine: that kernel starts its CPUs, then reads its tree.
    pub fn is_warm(&self) -> bool {
        self.warm
    }

    /// Sets [`Self::is_warm`] for kernels that are loaded from now on.
    pub fn set_warm(&mut self, on: bool) {
        self.warm = on;
    }

    /// Reads the written segments back, and makes their memory read-only.
    fn finish(&mut self, out: &mut Reporter, mut loaded: Loaded) -> Result<(), String> {
        let good = segments::read_back(self.board, &loaded);
        if let Err(error) = good.and_then(|()| segments::prepare_copy(self.board, &mut loaded)) {
            // The memory does not keep what is written: nothing can be loaded there.
            self.drop_loaded(loaded)?;
            return Err(error);
        }
        let guard = |range| segments::guard(out, self.board, &self.ram, range);
        loaded.guarded = loaded.plan.ranges().filter_map(guard).collect();
        self.loaded = Some(loaded);
        Ok(())
    }

    /// Drops what is loaded and frees its memory.
    ///
    /// # Errors
    /// Nothing is loaded.
    pub fn unload(&mut self) -> Result<(), String> {
        let loaded = self.loaded.take().ok_or(NOTHING_LOADED)?;
        self.drop_loaded(loaded)
    }

    /// Clears and frees the memory of a kernel that will not run: initrd and seeds must not stay
    /// readable.
    fn drop_loaded(&mut self, loaded: Loaded) -> Result<(), String> {
        segments::unguard(self.board, &loaded);
        for mut piece in loaded.pieces {
            let all = 0..piece.len();
            self.board.zero(&mut piece, all);
            self.ram.free(piece).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Hashes the loaded kernel again.
    ///
    /// # Errors
    /// What is not what was loaded.
    pub(super) fn recheck(&self) -> Result<(), String> {
        let loaded = self.loaded.as_ref().ok_or(NOTHING_LOADED)?;
        let written = loaded.segments().iter().map(|piece| self.board.bytes(piece));
        let initrd = self.initrd.map_or(&[][..], |(bytes, _)| bytes);
        loaded.recheck(written, initrd).map_err(|why| why.to_string())
    }

    /// Keeps the next kernel away from `range`, where CPUs are parked: its tree reserves the range.
    ///
    /// What else that changes for the next kernel is returned.
    ///
    /// # Errors
    /// The next kernel would be copied there, or its tree can't say so; the tree is unchanged.
    pub(super) fn keep_off(&mut self, range: Range) -> Result<Option<&'static str>, String> {
        let copy = self.loaded.as_ref().and_then(|loaded| loaded.plan.copy);
        if let Some(copy) = copy.filter(|copy| copy.to.overlaps(&range)) {
            return Err(format!(
                "CPUs are parked at {range}, and the next kernel would be copied to {}; load it elsewhere",
                copy.to
            ));
        }
        self.reserve(&[range])?;
        // The tree that has been written does not carry what the next kernel was to be told.
        let told = self.loaded.as_mut().is_some_and(|loaded| core::mem::take(&mut loaded.told));
        Ok(told.then_some(READ_FIRST))
    }

    /// Writes the loaded kernel's tree again, with the ranges in `quarantine` reserved.
    fn reserve(&mut self, quarantine: &[Range]) -> Result<(), String> {
        let Some(loaded) = &mut self.loaded else { return Ok(()) };
        let Loaded { source_tree, bootargs, plan, .. } = loaded;
        let extra = Extra { quarantine, results: self.results.as_deref() };
        let mut tree = self.tree.next(source_tree, bootargs.bytes(), plan.initrd, extra)?;
        plan.seal_dtb(&tree).map_err(|e| e.to_string())?;
        segments::unguard(self.board, loaded);
        segments::write_tree(self.board, loaded, &tree);
        tree.fill(0);
        core::hint::black_box(&tree);
        Ok(())
    }

    /// The jump to what is loaded.
    ///
    /// # Errors
    /// Nothing is loaded.
    pub(super) fn jump(&self) -> Result<Next, String> {
        let loaded = self.loaded.as_ref().ok_or(NOTHING_LOADED)?;
        Ok(Next::Jump(loaded.departure()))
    }

    /// What this kernel's tree says, and what the tree points to.
    ///
    /// # Errors
    /// That describes no machine.
    pub(super) fn describe(&self, boot: Mpidr) -> Result<Described, PlatformError> {
        self.tree.describe(boot)
    }

    /// What the tree says of this boot: where that is not what this kernel was booted with. The seed
    /// is taken over.
    pub(super) fn adopt(&mut self, params: BootParams) -> Vec<&'static str> {
        let initrd = self.initrd.map(|(_, range)| range);
        let same = [
            ("command line", self.bootargs == params.bootargs),
            ("initrd", initrd.is_none() || initrd == params.initrd),
            ("handover", Some(self.tree.handover()) == params.handover),
        ];
        self.tree.adopt_seed(params.rng_seed);
        same.into_iter().filter(|(_, same)| !same).map(|(what, _)| what).collect()
    }

    /// Wipes the seeds in this kernel's own tree, which stays in memory across the jump. The seeds
    /// have been read by now.
    pub(super) fn forget_tree_seeds(&mut self) {
        self.tree.forget_seeds();
    }

    /// Wipes the seed from which the next kernel's seed is made. At the jump: stores only.
    pub(super) fn forget_own_seed(&mut self) {
        self.tree.forget_own_seed();
    }

    /// Warns if signatures are asked for and the built-in key is the test key, whose secret is
    /// public.
    pub(super) fn warn_of_test_key(&self, out: &mut Reporter) {
        signature::warn_of_test_key(out, self.signatures);
    }
}

/// The bytes of `range`, which lie in `piece`, for good.
fn exact(board: &'static dyn Board, piece: Piece, range: Range) -> &'static [u8] {
    let start = (range.start - piece.range().start) as usize;
    &board.read_only(piece)[start..start + range.size() as usize]
}

/// True if the place asked for the kernel overlaps the initrd that should stay in place.
fn on_initrd(error: &LoadError) -> bool {
    let LoadError::Place(PlaceError::Taken { what: LoadPart::Kernel, error }) = error else {
        return false;
    };
    matches!(error, MapError::InUse { owner: Owner::Initrd, .. })
}
