//! A small writer of SVG: shapes, text, and the one style sheet of all pictures.

use std::fmt::Write;

/// Width of a character of the small text, pixels: upper estimates for sans-serif faces.
const CHARACTER: f64 = 6.6;
const CAPITAL: f64 = 8.2;

/// Colours for both light and dark surroundings. Attributes hold what a viewer without media
/// queries should see.
const STYLE: &str = "\
text{font:11px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}\
.b{font-weight:600;font-size:13px}.m{fill:#59636e}.w{fill:#fff;font-weight:600}\
.bg{fill:#fff}.grid{stroke:#d1d9e0;stroke-width:1}.alive{fill:#e6ecf2}.off{fill:#f8f9fb}.away{fill:#f8f9fb;stroke:#d1d9e0}\
.jump{fill:#1f2328;fill-opacity:.16}.edge{stroke:#1f2328;stroke-width:1}.t{fill-opacity:.3}.c{fill:none;stroke-width:2}\
@media (prefers-color-scheme:dark){text{fill:#e6edf3}.m{fill:#9198a1}.w{fill:#fff}\
.bg{fill:#0d1117}.grid{stroke:#30363d}.alive{fill:#21293a}.off{fill:#12161d}.away{fill:#12161d;stroke:#30363d}\
.jump{fill:#fff;fill-opacity:.22}.edge{stroke:#e6edf3}}";

/// A picture that is being drawn.
#[derive(Default)]
pub struct Svg {
    body: String,
}

/// Where a text is held.
#[derive(Clone, Copy)]
pub enum Anchor {
    /// At its begin.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A rectangle.
#[derive(Clone, Copy)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width.
    pub w: f64,
    /// Height.
    pub h: f64,
}

impl Svg {
    /// A rectangle of a class of the style sheet.
    pub fn classed(&mut self, rect: Rect, class: &str) {
        let Rect { x, y, w, h } = rect;
        let (x, y, w, h) = (num(x), num(y), num(w), num(h));
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/>"
        );
    }

    /// A coloured rectangle, with what a pointer over it tells.
    pub fn bar(&mut self, rect: Rect, colour: &str, title: &str) {
        let Rect { x, y, w, h } = rect;
        let (x, y, w, h) = (num(x), num(y), num(w), num(h));
        let _ = write!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{colour}\""
        );
        match title {
            "" => self.body.push_str("/>"),
            _ => {
                let _ = write!(self.body, "><title>{}</title></rect>", escape(title));
            }
        }
    }

    /// A rectangle that lets what is below it shine through.
    pub fn tint(&mut self, rect: Rect, colour: &str) {
        let Rect { x, y, w, h } = rect;
        let (x, y, w, h) = (num(x), num(y), num(w), num(h));
        let _ = write!(
            self.body,
            "<rect class=\"t\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"{colour}\"/>"
        );
    }

    /// An upright line of a class.
    pub fn upright(&mut self, x: f64, from: f64, to: f64, class: &str) {
        let (x, from, to) = (num(x), num(from), num(to));
        let _ = write!(self.body, "<path class=\"{class}\" d=\"M{x} {from}V{to}\"/>");
    }

    /// A level line of a class.
    pub fn level(&mut self, y: f64, from: f64, to: f64, class: &str) {
        let (y, from, to) = (num(y), num(from), num(to));
        let _ = write!(self.body, "<path class=\"{class}\" d=\"M{from} {y}H{to}\"/>");
    }

    /// A line through points, with what a pointer over it tells.
    pub fn curve(&mut self, points: &[(f64, f64)], colour: &str, dashed: bool, title: &str) {
        let points: Vec<String> =
            points.iter().map(|&(x, y)| format!("{} {}", num(x), num(y))).collect();
        let dashes = if dashed { " stroke-dasharray=\"5 3\"" } else { "" };
        let title = if title.is_empty() {
            String::new()
        } else {
            format!("<title>{}</title>", escape(title))
        };
        let _ = write!(
            self.body,
            "<path class=\"c\" d=\"M{}\" stroke=\"{colour}\"{dashes}>{title}</path>",
            points.join("L")
        );
    }

    /// Text; `class` may be empty.
    pub fn text(&mut self, x: f64, y: f64, anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let (x, y, text) = (num(x), num(y), escape(text));
        let _ = write!(self.body, "<text x=\"{x}\" y=\"{y}\"{anchor}{class}>{text}</text>");
    }

    /// Starts a group; `attributes` are written as they are.
    pub fn open(&mut self, attributes: &str) {
        let _ = write!(self.body, "<g {attributes}>");
    }

    /// Ends a group.
    pub fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// The whole picture.
    pub fn finish(self, width: f64, height: f64) -> String {
        let (width, height) = (num(width), num(height.ceil()));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\"><style>{STYLE}</style>\n\
             <rect class=\"bg\" width=\"{width}\" height=\"{height}\" rx=\"6\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// How wide a text will be at most.
pub fn text_width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii_uppercase() { CAPITAL } else { CHARACTER }).sum()
}

/// A coordinate: two decimals are less than anyone sees.
fn num(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

/// Text that may stand between tags or in an attribute.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
