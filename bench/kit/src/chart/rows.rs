//! Rows of bars or dots over one axis.

use std::fmt::Write;

use super::{Frame, Scale, line, scale::short, text, width_of};

pub struct Rows {
    pub across: (String, Scale),
    pub rows: Vec<Row>,
    pub mark: Mark,
    /// A place to compare with, and its name.
    pub guide: Option<(f64, String)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    Bars,
    Dots,
}

pub struct Row {
    pub name: String,
    /// Each with its colour, and words beside it.
    pub values: Vec<(f64, &'static str, String)>,
}

impl Rows {
    pub(super) fn draw(&self, svg: &mut String, frame: Frame) {
        let names = self.rows.iter().map(|row| width_of(&row.name)).fold(0.0, f64::max) + 14.0;
        let words = self.rows.iter().flat_map(|row| &row.values).map(|(_, _, words)| width_of(words));
        let room = words.fold(0.0, f64::max) + 12.0;
        let inner = Frame {
            left: frame.left + names,
            top: frame.top + 14.0,
            width: frame.width - names - room,
            height: frame.height - 60.0,
        };
        let x = |value| inner.left + self.across.1.place(value) * inner.width;
        let bottom = inner.top + inner.height;
        for tick in self.across.1.ticks() {
            line(svg, "grid", (x(tick), inner.top), (x(tick), bottom));
            text(svg, x(tick), bottom + 16.0, "middle", "", &short(tick));
        }
        line(svg, "axis", (inner.left, inner.top), (inner.left, bottom));
        text(svg, inner.left + inner.width, bottom + 33.0, "end", "", &self.across.0);
        let step = inner.height / self.rows.len().max(1) as f64;
        for (index, row) in self.rows.iter().enumerate() {
            let top = inner.top + index as f64 * step;
            text(svg, inner.left - 8.0, top + step / 2.0 + 4.0, "end", "", &row.name);
            match self.mark {
                Mark::Bars => draw_bars(svg, row, top, step, inner.left, x),
                Mark::Dots => draw_dots(svg, row, top + step / 2.0, inner, x),
            }
        }
        if let Some((value, name)) = &self.guide {
            line(svg, "guide", (x(*value), inner.top - 4.0), (x(*value), bottom));
            text(svg, x(*value), inner.top - 8.0, "middle", "", name);
        }
    }
}

fn draw_bars(svg: &mut String, row: &Row, top: f64, step: f64, left: f64, x: impl Fn(f64) -> f64) {
    let height = (step * 0.78 / row.values.len().max(1) as f64).min(22.0);
    let margin = (step - height * row.values.len() as f64) / 2.0;
    for (index, (value, colour, words)) in row.values.iter().enumerate() {
        let y = top + margin + index as f64 * height;
        let width = (x(*value) - left).max(1.0);
        _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"2\" fill=\"{colour}\"/>",
            y + 0.5,
            height - 1.0
        );
        text(svg, left + width + 6.0, y + height / 2.0 + 4.0, "start", "", words);
    }
}

fn draw_dots(svg: &mut String, row: &Row, y: f64, inner: Frame, x: impl Fn(f64) -> f64) {
    line(svg, "grid", (inner.left, y), (inner.left + inner.width, y));
    // One above the other where they are at the same place.
    let spread = 6.0;
    let first = y - spread * (row.values.len().saturating_sub(1)) as f64 / 2.0;
    for (index, (value, colour, words)) in row.values.iter().enumerate() {
        let (across, up) = (x(*value), first + spread * index as f64);
        _ = writeln!(
            svg,
            "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"5\" fill=\"{colour}\" fill-opacity=\".9\"/>"
        );
        if !words.is_empty() {
            text(svg, across + 9.0, up + 4.0, "start", "", words);
        }
    }
}
