//! `baton draw`: a picture from a report.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::outage::Outages;
use crate::report::Report;
use crate::run::{save, timelines};
use crate::timeline::{self, Timeline};

/// Which report, and where the picture goes.
#[derive(Args)]
pub struct DrawArgs {
    /// A report.json
    report: PathBuf,
    /// Where the SVG goes
    out: PathBuf,
    /// Width in pixels
    #[arg(long, default_value_t = 1200, value_parser = clap::value_parser!(u32).range(600..=8000))]
    width: u32,
    /// Draw how long the CPUs are away instead
    #[arg(long)]
    outage: bool,
}

/// Draws the timelines of a report beside each other.
///
/// # Errors
/// The report cannot be read or has no timelines, or the picture cannot be written.
pub fn draw(args: &DrawArgs) -> Result<()> {
    let path = args.report.display();
    let text = fs::read_to_string(&args.report).with_context(|| format!("cannot read {path}"))?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{path} is not a report"))?;
    ensure!(!report.traces.is_empty(), "{path} has no timelines");
    if args.outage {
        let outages: Vec<Outages> = report.traces.iter().map(Outages::new).collect();
        let unit = report.conditions.unit;
        let svg = timeline::outage::picture(&outages, unit, f64::from(args.width));
        return save(&args.out, &svg, "how long each CPU is away");
    }
    // Those whose new kernel was told the machine; four panels are too narrow to be read.
    let told = |timeline: &Timeline| timeline.warm;
    let timelines: Vec<Timeline> = timelines(&report).into_iter().filter(told).collect();
    let svg = timeline::beside(&timelines, f64::from(args.width));
    save(&args.out, &svg, "serial beside parallel")
}
