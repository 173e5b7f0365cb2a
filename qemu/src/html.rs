//! `index.html`: the report for people, one file without anything from elsewhere.

use std::fmt::Write;

use crate::report::{Conditions, Report};
use crate::stats::Row;
use crate::timeline::{self, Timeline, escape};
use crate::units::{self, Unit};
use crate::{outage, psci, table};

/// Width of the pictures, pixels.
const WIDTH: f64 = 1200.0;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:15px/1.5 ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;\
max-width:1240px;margin:2rem auto;padding:0 1rem;color:#1f2328;background:#fff}\
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.15rem;margin:2.2rem 0 .6rem}\
.sub{color:#59636e;margin:0 0 1rem}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.22rem .8rem;text-align:right;white-space:nowrap}\
th{font-weight:600;border-bottom:1px solid #d1d9e0}td.n,th.n{text-align:left}\
tr.first td{border-top:1px solid #d1d9e0}td.key{font-weight:600}\
.box{overflow-x:auto;margin:.6rem 0}svg{max-width:100%;height:auto}\
code{font:13px ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere;white-space:normal}\
.facts td{text-align:left;white-space:normal;vertical-align:top}\
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}.sub{color:#9198a1}\
th,tr.first td{border-color:#30363d}}";

/// The whole page.
pub fn page(report: &Report, timelines: &[Timeline]) -> String {
    let c = &report.conditions;
    let title = format!("baton: {} CPUs from one kernel to the next", c.cpus);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\
         <style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    let _ = writeln!(out, "<p class=\"sub\">{}</p>", escape(&c.headline()));
    out.push_str(&figures(&report.summary, c.unit));
    let warm = table::warm_rows(&report.summary, &report.long_way, c.unit).into_iter();
    listing(&mut out, &table::warm_title(c.unit), &table::WARM_HEAD, 2, warm);
    if timelines.len() > 1 {
        picture(&mut out, "On one scale", &timeline::same_scale(timelines, WIDTH));
    }
    let curves = timeline::outage::picture(&report.outages, c.unit, WIDTH);
    picture(&mut out, &outage::title(c.unit), &curves);
    let outages = report.outages.iter().map(|one| outage::row(one, c.unit));
    listing(&mut out, "The same in figures", &outage::HEAD, 1, outages);
    for one in timelines {
        let head = format!("One kexec, CPU by CPU: {}", one.label());
        picture(&mut out, &head, &timeline::picture(one, WIDTH));
    }
    let (steps, phases) = (report.steps.iter(), report.phases.iter());
    let steps = steps.map(|row| table::step(row, c.unit));
    listing(&mut out, &table::steps_title(c.unit), &table::STEP_HEAD, 3, steps);
    let phases = phases.map(|row| table::phase(row, c.unit));
    listing(&mut out, &table::phases_title(c.unit), &table::PHASE_HEAD, 3, phases);
    let firmware = psci::rows(&psci::last(&report.records), c.unit);
    if !firmware.is_empty() {
        listing(&mut out, psci::TITLE, &psci::HEAD, 3, firmware.into_iter());
    }
    out.push_str(&conditions(c));
    out.push_str("</body></html>\n");
    out
}

fn picture(out: &mut String, head: &str, svg: &str) {
    let _ = writeln!(out, "<h2>{}</h2>\n<div class=\"box\">{svg}</div>", escape(head));
}

fn figures(rows: &[Row], unit: Unit) -> String {
    let mut out = String::from(
        "<div class=\"box\"><table><tr><th class=\"n\"></th><th class=\"n\">phase</th>\
         <th>serial<br>median</th><th>min</th><th>max</th><th>parallel<br>median</th><th>min</th>\
         <th>max</th><th>serial /<br>parallel</th></tr>\n",
    );
    let mut group = "";
    for row in rows {
        let first = table::unless_same(&mut group, &row.group);
        let class = first.map_or("", |_| " class=\"first\"");
        let name = first.unwrap_or_default();
        let _ = write!(out, "<tr{class}><td class=\"n\">{name}</td><td class=\"n\">");
        let _ = write!(out, "{}</td>", escape(&row.phase));
        for cell in table::spread(row.serial, unit).iter().chain(&table::spread(row.parallel, unit))
        {
            let _ = write!(out, "<td>{cell}</td>");
        }
        let ratio = row.ratio.map_or("-".to_string(), units::three_digits);
        let _ = writeln!(out, "<td class=\"key\">{ratio}</td></tr>");
    }
    out.push_str("</table></div>\n");
    out
}

/// A table whose first columns are words.
fn listing<const N: usize>(
    out: &mut String,
    title: &str,
    head: &[&str; N],
    words: usize,
    rows: impl Iterator<Item = [String; N]>,
) {
    let class = |column: usize| if column < words { " class=\"n\"" } else { "" };
    let _ = write!(out, "<h2>{}</h2>\n<div class=\"box\"><table><tr>", escape(title));
    for (column, text) in head.iter().enumerate() {
        let lines: Vec<String> = text.trim_start().lines().map(escape).collect();
        let text = lines.join("<br>");
        let _ = write!(out, "<th{}>{text}</th>", class(column));
    }
    out.push_str("</tr>\n");
    for row in rows {
        out.push_str("<tr>");
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(out, "<td{}>{}</td>", class(column), escape(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</table></div>\n");
}

fn conditions(c: &Conditions) -> String {
    let machine = format!("{} CPUs, GICv{}, entered at EL{}", c.cpus, c.gic, c.el);
    let mut facts = vec![("machine", machine)];
    if c.is_from_home() {
        facts.push(("image", format!("baton {}", c.baton)));
    } else {
        facts.extend(of_qemu(c));
    }
    let mut out = String::from("<h2>Conditions</h2>\n<table class=\"facts\">");
    for (name, fact) in facts {
        let _ = write!(out, "<tr><td>{name}</td><td>{}</td></tr>", escape(&fact));
    }
    if !c.is_from_home() {
        let command = escape(&c.command_text());
        let _ = write!(out, "<tr><td>command</td><td><code>{command}</code></td></tr>");
    }
    let figures = match c.unit {
        Unit::Time => "Times are of the generic counter.",
        Unit::Instructions => {
            "Figures are instructions of all CPUs together, in steps of 16: concurrency gets no \
             credit, caches and firmware cost nothing."
        }
    };
    let _ = writeln!(
        out,
        "</table>\n<p class=\"sub\">{figures} blackout: from kexec exec accepted in the old kernel \
         to all CPUs online in the new one.</p>"
    );
    out
}

fn of_qemu(c: &Conditions) -> [(&'static str, String); 5] {
    [
        ("image", format!("baton {}, {}", c.baton, units::bytes(c.image_bytes))),
        ("QEMU", c.qemu.clone()),
        ("accelerator", c.accel.clone()),
        ("host", format!("{} CPUs", c.host_cpus)),
        ("kexecs", format!("{} of each mode, and one with warm off, in {} s", c.cycles, c.seconds)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake;

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_shows_both_kexecs() {
        let report = fake::report(16);
        let timelines = crate::run::timelines(&report);
        let page = page(&report, &timelines);
        for outside in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert_eq!(page.matches("<svg").count(), 6);
        assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
        assert!(
            page.contains("CPU by CPU: serial<")
                && page.contains("CPU by CPU: parallel, warm off<")
        );
        assert!(page.contains(&report.conditions.qemu));
        assert!(page.contains("<td class=\"n\">gic:starting</td><td class=\"n\">starting</td>"));
        assert!(page.contains(baton::trace::Phase::Stop.what()));
    }

    #[test]
    fn what_a_guest_says_is_text_not_markup() {
        let mut report = fake::report(2);
        report.conditions.append = "<script>".into();
        report.conditions.command = vec!["-append".into(), "<script>".into()];
        assert!(!page(&report, &[]).contains("<script>"));
    }
}
