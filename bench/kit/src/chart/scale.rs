//! From figures to places, and the figures that are written beside an axis.

/// How figures are laid out along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// From nought to at least this.
    Linear(f64),
    /// From a power of ten to at least this; what is less stands at the beginning.
    Log(f64, f64),
    /// From nought to the second in steps of the first.
    Steps(f64, f64),
}

impl Scale {
    /// Linear, with room for all of these.
    pub fn linear(values: impl IntoIterator<Item = f64>) -> Self {
        Self::Linear(values.into_iter().filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max))
    }

    /// Logarithmic, with room for all of these.
    pub fn log(values: impl IntoIterator<Item = f64> + Clone) -> Self {
        let known = || values.clone().into_iter().filter(|value| value.is_finite() && *value > 0.0);
        let (least, most) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN_POSITIVE, f64::max));
        if most < least {
            // Where nothing was answered there is nothing to draw; an axis without an end would be drawn for ever.
            return Self::Log(1.0, 10.0);
        }
        Self::Log(10_f64.powf(least.log10().floor()), most.max(least))
    }

    /// The end of the axis: a round figure.
    fn end(self) -> f64 {
        match self {
            Self::Linear(most) => {
                let step = self.step();
                (most / step).ceil() * step
            }
            Self::Steps(_, end) => end,
            Self::Log(_, most) => {
                let power = 10_f64.powf(most.log10().floor());
                [1.0, 2.0, 5.0, 10.0]
                    .map(|factor| factor * power)
                    .into_iter()
                    .find(|end| *end >= most * 0.999)
                    .unwrap_or(most)
            }
        }
    }

    fn step(self) -> f64 {
        let most = match self {
            Self::Linear(most) | Self::Log(_, most) => most,
            Self::Steps(step, _) => return step,
        };
        let rough = most / 4.0;
        let power = 10_f64.powf(rough.log10().floor());
        let factor = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
        factor.unwrap_or(10.0) * power
    }

    /// The place of a figure, from 0 to 1.
    pub(super) fn place(self, value: f64) -> f64 {
        let end = self.end();
        let place = match self {
            Self::Linear(_) | Self::Steps(..) => value / end,
            Self::Log(start, _) if value > start => (value / start).log10() / (end / start).log10(),
            Self::Log(..) => 0.0,
        };
        place.clamp(0.0, 1.0)
    }

    /// The figures to write.
    pub(super) fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(_) | Self::Steps(..) => {
                let step = self.step();
                let count = (self.end() / step).round() as usize;
                (0..=count).map(|index| index as f64 * step).collect()
            }
            Self::Log(start, _) => {
                let end = self.end();
                let decades = (end / start).log10();
                // Where there are few powers of ten, what lies between them, too.
                let factors: &[f64] = if decades < 2.5 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                (0..=decades.ceil() as i32)
                    .flat_map(|power| factors.iter().map(move |factor| start * factor * 10_f64.powi(power)))
                    .filter(|tick| *tick <= end * 1.001)
                    .collect()
            }
        }
    }
}

/// A figure, short: `1.5k`, `0.02`.
pub(super) fn short(value: f64) -> String {
    let trimmed = |value: f64| {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match value.abs() {
        size if size >= 1e6 => trimmed(value / 1e6) + "M",
        size if size >= 1e4 => trimmed(value / 1e3) + "k",
        size if size >= 1e3 => {
            let whole = value.round() as i64;
            format!("{},{:03}", whole / 1000, whole % 1000)
        }
        _ => trimmed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_figures() {
        assert_eq!(Scale::Linear(3_300.0).ticks(), [0.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0]);
        assert_eq!(Scale::Log(1.0, 900.0).ticks(), [1.0, 10.0, 100.0, 1_000.0]);
        assert_eq!(Scale::Log(100.0, 400.0).ticks(), [100.0, 200.0, 500.0]);
        assert_eq!(Scale::log([0.3, 4_000.0]), Scale::Log(0.1, 4_000.0));
        assert_eq!(Scale::log([0.0, f64::NAN]).ticks().len(), 4);
        assert_eq!(Scale::Log(1.0, 1_000.0).place(1_000.0), 1.0);
        assert_eq!(Scale::Log(1.0, 1_000.0).place(0.0), 0.0);
        assert_eq!([short(12_500.0), short(9_000.0), short(0.5)], ["12.5k", "9,000", "0.5"]);
    }
}
