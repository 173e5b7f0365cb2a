//! `report`: the results of the run on the console.

use alloc::format;

use super::Outcome;
use crate::kernel::Kernel;

/// `report`, all lines or line `number`. Ctrl-C ends it between two lines.
pub(super) fn report(kernel: &mut Kernel, number: Option<u32>) -> Outcome {
    match number {
        Some(number) => again(kernel, number),
        None => all(kernel),
    }
}

fn all(kernel: &mut Kernel) -> Outcome {
    kernel.keep_results();
    let Kernel { out, cpus, results, .. } = kernel;
    let (lines, document) = (results.lines(), results.document());
    let texts = (1..=lines.count()).map_while(|number| lines.line(number));
    texts.take_while(|_| !cpus.interrupted()).for_each(|text| out.print(&text));
    let (entries, bytes) = (document.entries().count(), document.bytes());
    out.print(&format!("{entries} results in {bytes} bytes, {} lines", lines.count()));
    if document.dropped() > 0 {
        out.print(&format!("{} older results were dropped for want of room", document.dropped()));
    }
    Ok(None)
}

/// One line of what `report` has printed last: nothing is added, so that the lines stay the same.
fn again(kernel: &Kernel, number: u32) -> Outcome {
    let lines = kernel.results.lines();
    let text = lines.line(number as usize);
    let text =
        text.ok_or_else(|| format!("there is no line {number}; `report` has {}", lines.count()))?;
    kernel.out.print(&text);
    Ok(None)
}
