//! Ranges over one axis: for each row its least, its median and its most, in groups that have something in common.

use std::fmt::Write;

use super::{Frame, Scale, line, scale::short, text, width_of};

pub struct Ranges {
    pub across: (String, Scale),
    pub groups: Vec<Group>,
    /// A place to compare with, and its name.
    pub guide: Option<(f64, String)>,
}

pub struct Group {
    pub name: String,
    pub rows: Vec<Range>,
}

pub struct Range {
    pub name: String,
    /// One of those that the chart is about: its name is bold.
    pub is_marked: bool,
    pub colour: &'static str,
    pub least: f64,
    pub median: f64,
    pub most: f64,
    /// Written beside it.
    pub words: String,
}

/// What a row, or the name of a group, takes of the height.
const STEP: f64 = 20.0;
/// What the axis takes, with its figures and its name.
const AXIS: f64 = 60.0;

impl Ranges {
    /// The height of a panel with these in it, its title included.
    pub fn height(&self) -> f64 {
        let rows: usize = self.groups.iter().map(|group| 1 + group.rows.len()).sum();
        rows as f64 * STEP + AXIS + 30.0
    }

    pub(super) fn draw(&self, svg: &mut String, frame: Frame) {
        let rows = || self.groups.iter().flat_map(|group| &group.rows);
        // What is bold is wider.
        let width = |row: &Range| width_of(&row.name) * if row.is_marked { 1.12 } else { 1.0 };
        let names = rows().map(width).fold(0.0, f64::max) + 14.0;
        let room = rows().map(|row| width_of(&row.words)).fold(0.0, f64::max) + 12.0;
        let inner = Frame {
            left: frame.left + names,
            top: frame.top + 14.0,
            width: frame.width - names - room,
            height: frame.height - AXIS,
        };
        let x = |value| inner.left + self.across.1.place(value) * inner.width;
        let bottom = inner.top + inner.height;
        for tick in self.across.1.ticks() {
            text(svg, x(tick), bottom + 16.0, "middle", "", &short(tick));
        }
        text(svg, inner.left + inner.width, bottom + 33.0, "end", "", &self.across.0);
        if let Some((value, name)) = &self.guide {
            text(svg, x(*value), inner.top - 2.0, "middle", "", name);
        }
        let mut middle = inner.top + STEP / 2.0;
        for group in &self.groups {
            text(svg, frame.left + 4.0, middle + 4.0, "start", "", &group.name);
            middle += STEP;
            // The lines leave the names of the groups free.
            let (top, end) = (middle - STEP / 2.0, middle + STEP * (group.rows.len() as f64 - 0.5));
            for tick in self.across.1.ticks() {
                line(svg, "grid", (x(tick), top), (x(tick), end));
            }
            line(svg, "axis", (inner.left, top), (inner.left, end));
            if let Some((value, _)) = &self.guide {
                line(svg, "guide", (x(*value), top), (x(*value), end));
            }
            for row in &group.rows {
                row.draw(svg, middle, inner.left, x);
                middle += STEP;
            }
        }
    }
}

impl Range {
    fn draw(&self, svg: &mut String, y: f64, left: f64, x: impl Fn(f64) -> f64) {
        let class = if self.is_marked { "title" } else { "" };
        text(svg, left - 8.0, y + 4.0, "end", class, &self.name);
        let (from, to) = (x(self.least), x(self.most));
        _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"8\" rx=\"4\" fill=\"{}\" fill-opacity=\".4\"/>",
            y - 4.0,
            (to - from).max(1.0),
            self.colour
        );
        _ = writeln!(
            svg,
            "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{}\"/>",
            x(self.median),
            self.colour
        );
        text(svg, to.max(x(self.median) + 5.0) + 6.0, y + 4.0, "start", class, &self.words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::{Chart, Content, Panel};

    #[test]
    fn each_row_has_its_range_and_its_median() {
        let range = |name: &str, is_marked, least, median, most| Range {
            name: name.to_owned(),
            is_marked,
            colour: "red",
            least,
            median,
            most,
            words: format!("{median}"),
        };
        let ranges = Ranges {
            across: ("of it".to_owned(), Scale::Steps(0.5, 1.0)),
            groups: vec![Group {
                name: "loops".to_owned(),
                rows: vec![range("own", true, 0.2, 0.5, 1.0), range("other", false, 0.25, 0.25, 0.25)],
            }],
            guide: Some((1.0, "floor".to_owned())),
        };
        assert_eq!(ranges.height(), 3.0 * STEP + AXIS + 30.0);
        let height = ranges.height();
        let panels = vec![Panel { title: String::new(), content: Content::Ranges(ranges) }];
        let chart = Chart { title: "t".to_owned(), legend: Vec::new(), panels, columns: 1, height };
        let svg = chart.described("least < most");
        assert!(svg.contains("<desc>least &lt; most</desc>"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("class=\"title\">own<").count(), 1);
        assert_eq!(svg.matches("class=\"title\">other<").count(), 0);
        // A range without a width can be seen.
        assert!(svg.contains("width=\"1.0\" height=\"8\""), "{svg}");
        assert!(!chart.svg().contains("<desc>"));
    }
}
