//! Charts as SVG: panels side by side under one legend, with axes, lines, bars, dots and ranges. It knows nothing of what they
//! show. The colours can be read on white and on black.

mod lines;
mod ranges;
mod rows;
mod scale;

use std::fmt::Write;

pub use lines::{Line, Lines};
pub use ranges::{Group, Range, Ranges};
pub use rows::{Mark, Row, Rows};
pub use scale::Scale;

/// A whole picture.
pub struct Chart {
    /// What is seen, for those who cannot see it.
    pub title: String,
    pub legend: Vec<Entry>,
    pub panels: Vec<Panel>,
    /// Panels in a line.
    pub columns: usize,
    /// The height of a panel.
    pub height: f64,
}

/// A colour's meaning.
pub struct Entry {
    pub name: String,
    pub colour: &'static str,
    pub is_dashed: bool,
}

/// A part of a picture, with axes of its own.
pub struct Panel {
    pub title: String,
    pub content: Content,
}

pub enum Content {
    Lines(Lines),
    Rows(Rows),
    Ranges(Ranges),
}

/// Where a panel is drawn: the space within its axes.
#[derive(Clone, Copy)]
struct Frame {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

const WIDTH: f64 = 880.0;
const LEGEND: f64 = 30.0;
const GAP: f64 = 18.0;

const STYLE: &str = "\
text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#6a737d}\
.title{font-weight:600;font-size:13px}\
.axis{stroke:#8b949e;stroke-width:1}\
.grid{stroke:#8b949e;stroke-opacity:.22;stroke-width:1}\
.guide{stroke:#8b949e;stroke-width:1.2;stroke-dasharray:2 4}\
.line{fill:none;stroke-linejoin:round;stroke-linecap:round}\
@media(prefers-color-scheme:dark){text{fill:#9da7b3}.title{fill:#d1d7e0}}";

impl Chart {
    /// The picture as a file.
    pub fn svg(&self) -> String {
        self.drawn("")
    }

    /// The picture as a file, with more words for those who cannot see it.
    pub fn described(&self, words: &str) -> String {
        self.drawn(&format!("<desc>{}</desc>\n", escaped(words)))
    }

    fn drawn(&self, description: &str) -> String {
        let columns = self.columns.max(1);
        let lines = self.panels.len().div_ceil(columns);
        let legend = if self.legend.is_empty() { 0.0 } else { LEGEND };
        let height = legend + lines as f64 * self.height + 6.0;
        let title = escaped(&self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\" aria-label=\"{title}\">\n<title>{title}</title>\n{description}<style>{STYLE}</style>\n"
        );
        self.draw_legend(&mut svg);
        let width = (WIDTH - GAP * (columns - 1) as f64) / columns as f64;
        for (index, panel) in self.panels.iter().enumerate() {
            let (line, column) = (index / columns, index % columns);
            let (left, top) = (column as f64 * (width + GAP), legend + line as f64 * self.height);
            panel.draw(&mut svg, Frame { left, top, width, height: self.height });
        }
        svg + "</svg>\n"
    }

    fn draw_legend(&self, svg: &mut String) {
        let mut left = 4.0;
        for entry in &self.legend {
            let dash = if entry.is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
            _ = writeln!(
                svg,
                "<line x1=\"{left:.0}\" x2=\"{:.0}\" y1=\"13\" y2=\"13\" stroke=\"{}\" stroke-width=\"4\"{dash}/>",
                left + 20.0,
                entry.colour
            );
            text(svg, left + 26.0, 17.0, "start", "", &entry.name);
            left += 26.0 + width_of(&entry.name) + 22.0;
        }
    }
}

impl Panel {
    fn draw(&self, svg: &mut String, frame: Frame) {
        let title = if self.title.is_empty() { 6.0 } else { 30.0 };
        text(svg, frame.left + 4.0, frame.top + 16.0, "start", "title", &self.title);
        let frame = Frame { top: frame.top + title, height: frame.height - title, ..frame };
        match &self.content {
            Content::Lines(lines) => lines.draw(svg, frame),
            Content::Rows(rows) => rows.draw(svg, frame),
            Content::Ranges(ranges) => ranges.draw(svg, frame),
        }
    }
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, class: &str, words: &str) {
    let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
    _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{class}>{}</text>",
        escaped(words)
    );
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    _ = writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
        from.0, from.1, to.0, to.1
    );
}

/// About as wide as it is drawn.
fn width_of(words: &str) -> f64 {
    words.chars().count() as f64 * 7.0
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_cannot_break_the_picture() {
        let chart = Chart {
            title: "a < b & \"c\"".to_owned(),
            legend: vec![Entry { name: "<k>".to_owned(), colour: "red", is_dashed: false }],
            panels: Vec::new(),
            columns: 1,
            height: 100.0,
        };
        let svg = chart.svg();
        assert!(svg.contains("a &lt; b &amp; &quot;c&quot;") && svg.contains("&lt;k&gt;"), "{svg}");
        assert!(!svg.contains("<k>"));
    }
}
