//! Lines over two axes.

use std::fmt::Write;

use super::{Frame, Scale, line, scale::short, text, width_of};

pub struct Lines {
    pub across: (String, Scale),
    pub up: (String, Scale),
    pub lines: Vec<Line>,
    /// A height to compare with, and its name.
    pub guides: Vec<(f64, String)>,
}

pub struct Line {
    pub colour: &'static str,
    pub is_dashed: bool,
    /// Written at its end.
    pub label: String,
    pub points: Vec<(f64, f64)>,
    pub has_dots: bool,
}

impl Lines {
    pub(super) fn draw(&self, svg: &mut String, frame: Frame) {
        let room = self.lines.iter().map(|line| width_of(&line.label) * 1.15).fold(0.0, f64::max);
        let left = frame.left + 48.0;
        let inner = Frame {
            left,
            top: frame.top + 16.0,
            width: frame.width - 48.0 - room.max(12.0) - 10.0,
            height: frame.height - 62.0,
        };
        let x = |value| inner.left + self.across.1.place(value) * inner.width;
        let y = |value| inner.top + (1.0 - self.up.1.place(value)) * inner.height;
        let (right, bottom) = (inner.left + inner.width, inner.top + inner.height);
        text(svg, frame.left + 4.0, frame.top + 6.0, "start", "", &self.up.0);
        for tick in self.up.1.ticks() {
            line(svg, "grid", (inner.left, y(tick)), (right, y(tick)));
            text(svg, inner.left - 7.0, y(tick) + 4.0, "end", "", &short(tick));
        }
        for tick in self.across.1.ticks() {
            line(svg, "axis", (x(tick), bottom), (x(tick), bottom + 4.0));
            text(svg, x(tick), bottom + 17.0, "middle", "", &short(tick));
        }
        line(svg, "axis", (inner.left, bottom), (right, bottom));
        text(svg, right, bottom + 34.0, "end", "", &self.across.0);
        for (value, name) in &self.guides {
            line(svg, "guide", (inner.left, y(*value)), (right, y(*value)));
            text(svg, right - 2.0, y(*value) - 5.0, "end", "", name);
        }
        for (index, series) in self.lines.iter().enumerate() {
            series.draw(svg, index, x, y);
        }
        self.draw_labels(svg, right, y);
    }

    /// The names at the ends of the lines, moved apart where they would lie upon each other.
    fn draw_labels(&self, svg: &mut String, right: f64, y: impl Fn(f64) -> f64) {
        const LEAST: f64 = 14.0;
        let mut labels: Vec<(f64, &Line)> = self
            .lines
            .iter()
            .filter(|line| !line.label.is_empty())
            .filter_map(|line| Some((y(line.points.last()?.1), line)))
            .collect();
        labels.sort_by(|a, b| a.0.total_cmp(&b.0));
        for index in 1..labels.len() {
            labels[index].0 = labels[index].0.max(labels[index - 1].0 + LEAST);
        }
        for (place, line) in labels {
            _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" style=\"fill:{};font-weight:600\">{}</text>",
                right + 8.0,
                place + 4.0,
                line.colour,
                super::escaped(&line.label)
            );
        }
    }
}

impl Line {
    /// Later lines are thinner, so that those below can be seen.
    fn draw(&self, svg: &mut String, index: usize, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
        let width = [4.4, 3.4, 2.6, 1.9][index.min(3)];
        let places: Vec<(f64, f64)> = self.points.iter().map(|(across, up)| (x(*across), y(*up))).collect();
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let dash = if self.is_dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        _ = writeln!(
            svg,
            "<polyline class=\"line\" stroke=\"{}\" stroke-width=\"{width}\"{dash} points=\"{}\"/>",
            self.colour,
            points.join(" ")
        );
        for (x, y) in places.iter().filter(|_| self.has_dots) {
            _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\" fill=\"{}\"/>",
                width * 0.7 + 1.4,
                self.colour
            );
        }
    }
}
