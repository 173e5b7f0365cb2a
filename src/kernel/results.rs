//! The results of this run: what every kernel of it has reported, kept for `report` and for the next
//! kernel.

use alloc::string::String;

use super::{Kernel, Level};
use crate::handover::{Area, Farewell};
use crate::kernel::timeline;
use crate::report;
use crate::results::{Document, Entry, Kind, Lines, MAX_BYTES, ResultsError};

/// The results, and where they are kept over a jump.
pub struct Results {
    document: Document,
    area: Area<'static>,
}

impl Results {
    /// None yet.
    pub(super) fn new(area: Area<'static>) -> Self {
        Self { document: Document::default(), area }
    }

    /// Takes over what the kernels before this one have kept.
    ///
    /// # Errors
    /// Why that can't be read; there are no results then.
    fn take_over(&mut self) -> Result<(), ResultsError> {
        self.document = match self.area.results() {
            Ok(document) => document,
            Err(ResultsError::Foreign) => Document::default(),
            Err(why) => return Err(why),
        };
        Ok(())
    }

    /// Keeps an entry, here and for the next kernel.
    fn keep(&mut self, entry: Entry) {
        self.document.push(entry, MAX_BYTES);
        self.area.keep_results(&mut self.document);
    }

    /// All that is kept.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The same as lines for the console.
    pub fn lines(&self) -> Lines {
        Lines::new(&self.document)
    }
}

impl Kernel {
    /// Takes the results of the run over, and keeps what this kernel has to say of its own coming:
    /// its records, and, unless it is one in the middle of a series, the trace of the jump. Nothing
    /// is timed any more.
    pub(super) fn begin_results(&mut self, came: Option<Came>) {
        if let Err(why) = self.results.take_over() {
            self.out.say(Level::Warning, &alloc::format!("{why}; a new run begins"));
        }
        self.keep_results();
        let Some(came) = came.filter(|came| came.last) else { return };
        let events = timeline::events(&self.cpus);
        let mut text = String::new();
        for record in timeline::records(&self.out, &events) {
            text.push_str(&report::to_line(&record));
            text.push('\n');
        }
        let generation = self.cpus.hotplug().generation();
        self.results.keep(Entry::new(Kind::Trace, came.tag, generation, &text));
    }

    /// Keeps the records that were printed since the last time.
    pub(crate) fn keep_results(&mut self) {
        let lines = self.out.take_kept();
        if !lines.is_empty() {
            let generation = self.cpus.hotplug().generation();
            self.results.keep(Entry::new(Kind::Records, 0, generation, &lines));
        }
    }

    /// Before a jump: the next kernel gets the results. A kexec is not refused for their sake.
    pub(super) fn pass_results(&mut self) {
        self.keep_results();
        if let Err(why) = self.loader.carry(&mut self.out, &self.results.document) {
            let text = alloc::format!("the next kernel's tree gets no results: {why}");
            self.out.say(Level::Warning, &text);
        }
    }
}

/// How this kernel was reached by a kexec.
#[derive(Clone, Copy)]
pub(super) struct Came {
    /// No further jump of the series follows.
    last: bool,
    /// The kind of the kexec.
    tag: u8,
}

impl Came {
    /// After the jump of `farewell`; `told`: this kernel was told the machine.
    pub fn by(farewell: &Farewell, told: bool) -> Self {
        let last = farewell.cycle.done >= farewell.cycle.asked;
        Self { last, tag: report::trace_tag(farewell.teardown, told) }
    }
}
